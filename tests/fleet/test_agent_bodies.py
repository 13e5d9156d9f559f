"""What agents say in their messages: read with tolerance, refused with its field."""

import json
from typing import Any

import pytest

from fleet.agent_bodies import CheckInBody, Profile, StateBody, read_body, refuse_unstorable
from fleet.wire import MAX_MESSAGE_BYTES, BadMessage, Inner
from tests.support.processor_time import seconds_here


@pytest.mark.parametrize(
    ("body", "mission"),
    [
        ({"resources": {"work_process_id": 12}}, 12),
        ({"resources": {"work_process_id": "12"}}, 12),
        ({"resources": {"work_process_id": None}, "wp_clearance": {"wp_id": 7}}, 7),
        ({"wp_clearance": {"work_process_id": "7"}}, 7),
        ({"resources": None}, None),
        ({"resources": {"work_process_id": True}}, None),
        ({"resources": {"work_process_id": "many"}}, None),
        ({"resources": {"work_process_id": 2**70}}, None),
        ({"resources": {"work_process_id": "9" * 5000}}, None),
    ],
)
def test_the_mission_an_agent_is_reserved_for(body: dict[str, Any], mission: int | None) -> None:
    assert read_body(StateBody, {"status": "READY", **body}).work_process_id == mission


def test_older_forms_of_reports_are_read() -> None:
    body = {"status": "busy", "assignment": {"assignment_status": {"id": 5, "status": "active", "result": 1}}}
    assignment = read_body(StateBody, body).assignment
    assert assignment is not None
    assert (assignment.id, assignment.status, assignment.result) == (5, "active", 1)


def test_a_bad_body_names_the_field() -> None:
    with pytest.raises(BadMessage, match=r"body\.assignment\.id"):
        read_body(StateBody, {"status": "busy", "assignment": {"id": "x"}})


def test_profiles_hold_only_what_was_said() -> None:
    profile = read_body(Profile, {"pose": {"x": 1, "orientations": [0.5]}, "name": "n", "password": "p"})
    assert profile.fields() == {"x": 1.0, "orientations": [0.5], "name": "n"}
    check_in = read_body(CheckInBody, {"yard_id": 1, "code": "c", "registration_token": "t"})
    assert (check_in.yard, check_in.fields()) == ("1", {"code": "c"})


@pytest.mark.parametrize("word", ["pause", {"id": "x"}, [], 7, {"id": -1, "status": "done"}])
def test_an_odd_word_on_an_instant_action_does_not_cost_the_state(word: Any) -> None:
    body = read_body(StateBody, {"status": "ready", "assignment": {"id": 5}, "instant_action": word})
    assert body.instant_action is None
    assert body.assignment is not None


def said(resources: Any) -> Inner:
    body = {"status": "free", "resources": resources}
    return Inner(type="agent_state", uuid="a", body=body, text=json.dumps(body), signature=None)


@pytest.mark.parametrize("value", ["\x00", "\ud800", float("inf"), float("1" * 400 + ".0")])
def test_what_cannot_be_stored_names_its_place(value: Any) -> None:
    text = '{"deep": [%s]}' % ("1" * 400 + ".0" if isinstance(value, float) else json.dumps(value))
    inner = Inner(type="agent_state", uuid="a", body={}, text=text, signature=None)
    with pytest.raises(BadMessage, match=r"deep\.0"):
        refuse_unstorable(inner, {"deep": [value]})


def seconds_to_look_through(number: int) -> float:
    """The largest message of this number, again and again."""
    inner = said([number] * (MAX_MESSAGE_BYTES // len(f"{number}, ") - 20))
    assert MAX_MESSAGE_BYTES * 0.99 < len(inner.text) <= MAX_MESSAGE_BYTES
    return seconds_here(lambda: refuse_unstorable(inner, inner.body))


def test_long_numbers_hold_up_no_other_agent() -> None:
    """From each digit to its run's end: that would be fifteen times as long."""
    assert seconds_to_look_through(int("1" * 299)) < 4 * seconds_to_look_through(12)
