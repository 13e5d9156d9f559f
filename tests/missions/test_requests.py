"""What a client may ask of a mission."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from missions.events import utc_now
from missions.requests import NewMission


def test_a_mission_may_be_scheduled_some_years_ahead_and_not_in_another_age() -> None:
    soon = utc_now() + timedelta(days=3000)
    asked = {"workProcessTypeName": "drive", "schedStartAt": soon.isoformat()}
    assert NewMission.model_validate(asked).sched_start_at == soon
    with pytest.raises(ValidationError, match="more than ten years away"):
        NewMission.model_validate(asked | {"schedStartAt": (utc_now() + timedelta(days=4000)).isoformat()})
