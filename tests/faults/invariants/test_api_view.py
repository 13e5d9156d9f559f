"""What the API shows otherwise than the database has it is found."""

import json
from typing import Any

import pytest

from faults.invariants.api_view import differences

SHOWN: dict[str, Any] = {"status": "failed", "failure": {"code": "assignment_failed", "text": "flat tyre"}}
ROW: dict[str, Any] = {"status": "failed", "failure": json.dumps(SHOWN["failure"])}
ASSIGNMENTS = [{"id": 7, "status": "failed"}]


def test_the_same_view_is_passed() -> None:
    assert list(differences(1, SHOWN, ASSIGNMENTS, ROW, {7: "failed"})) == []
    assert (
        list(
            differences(
                1, {"status": "canceled", "failure": None}, [], {**ROW, "status": "canceled", "failure": None}, {}
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("row", "held", "fault"),
    [
        ({"status": "succeeded"}, {7: "failed"}, "mission 1 is succeeded, the API says failed"),
        ({"failure": None}, {7: "failed"}, "mission 1 failed for None, the API says assignment_failed"),
        ({}, {7: "succeeded"}, "mission 1 has the assignments {7: 'succeeded'}, the API says {7: 'failed'}"),
        ({}, {}, "mission 1 has the assignments {}, the API says {7: 'failed'}"),
    ],
)
def test_another_view_is_found(row: dict[str, Any], held: dict[int, str], fault: str) -> None:
    assert list(differences(1, SHOWN, ASSIGNMENTS, {**ROW, **row}, held)) == [fault]
