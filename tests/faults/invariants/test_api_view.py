"""What the API shows otherwise than the database has it is found."""

import json
import random
from typing import Any

import pytest

from faults.invariants.api_view import differences, faults_in_view
from faults.load.client import Client
from settings import Settings

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


async def test_a_mission_that_is_lost_is_a_finding_and_ends_no_look(settings: Settings) -> None:
    found = await faults_in_view(Nobody(), settings.database_url, [987654321], random.Random(1))
    assert found == ["mission 987654321 was accepted, and the API or the database does not know it"]


class Nobody(Client):
    """An API that knows no mission."""

    def __init__(self) -> None:
        """It has no address."""

    async def ask(self, method: str, path: str, *, fine: tuple[int, ...] = (), **request: Any) -> dict[str, Any]:
        assert 404 in fine
        return {"status_code": 404}
