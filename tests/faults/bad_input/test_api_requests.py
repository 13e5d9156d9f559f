"""What is let pass of the findings about the API's description."""

import pytest

from faults.bad_input.api_requests import _is_lawful

TAKEN, ALLOW = "Schema-violating request accepted", "Allow header mismatch"


@pytest.mark.parametrize(
    ("title", "operation", "lawful"),
    [
        (TAKEN, "POST /api/v1/mission-files/validate", True),
        (TAKEN, "POST /api/v1/platforms/{id}/commands", False),
        (TAKEN, "GET /api/v1/platforms/{id}", False),
        (ALLOW, "OPTIONS /api/v1/recipes/import", True),
        (ALLOW, "OPTIONS /api/v1/recipes", False),
        ("Server error", "POST /api/v1/mission-files/validate", False),
    ],
)
def test_only_what_has_a_reason_is_let_pass(title: str, operation: str, lawful: bool) -> None:
    assert _is_lawful(title, operation) == lawful
