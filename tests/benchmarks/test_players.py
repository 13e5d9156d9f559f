"""The agents and the planner of the benchmark, without a broker or a socket."""

import json
from typing import Any

from benchmarks.agents import Heard, react
from benchmarks.planner import answer, split_request
from examples.thin_agent import with_login
from fleet import wire
from fleet.agent_bodies import StateBody, read_body
from fleet.wire import AssignmentMessage


def states(message: dict[str, Any]) -> list[StateBody]:
    reaction = react(message)
    assert reaction is not None
    return [read_body(StateBody, state) for state in reaction.states]


def assignment(data: dict[str, Any]) -> AssignmentMessage:
    return AssignmentMessage(5, 7, 1, "2026-01-02 03:04:05", {"dependencies": []}, data)


def test_a_reserve_is_answered_ready_for_that_mission() -> None:
    message = wire.reserve("a", 7, [])
    reaction = react(message)
    assert reaction is not None
    assert (reaction.heard, reaction.work_process_id) == (Heard.RESERVE, 7)
    assert [(state.status, state.work_process_id) for state in states(message)] == [("ready", 7)]


def test_an_assignment_is_executed_at_once() -> None:
    said = states(wire.assignment("a", assignment({})))
    reports = [(state.status, state.assignment and (state.assignment.id, state.assignment.status)) for state in said]
    assert reports == [("busy", (5, "executing")), ("ready", (5, "succeeded"))]


def test_a_held_assignment_ends_with_its_cancel() -> None:
    held = react(wire.assignment("a", assignment({"hold": True})))
    assert held is not None
    assert (len(held.states), held.done) == (1, False)
    (said,) = states(wire.cancel("a", assignment({})))
    assert said.assignment is not None
    assert (said.assignment.id, said.assignment.status) == (5, "canceled")


def test_a_release_is_answered_free() -> None:
    (said,) = states(wire.release("a", 7))
    assert (said.status, said.work_process_id) == ("free", None)


def test_other_messages_are_let_pass() -> None:
    assert react({"type": "data_control", "uuid": "a", "body": "{}"}) is None


def test_an_account_goes_into_the_address() -> None:
    assert with_login("amqp://guest:guest@host:1234/v", "a@b", "p/w") == "amqp://a%40b:p%2Fw@host:1234/v"


def test_the_planner_waits_for_the_whole_request_and_keeps_what_follows() -> None:
    body = json.dumps({"request": {"answer": {"status": "ready", "results": []}}}).encode()
    request = b"POST /plan/ HTTP/1.1\r\nhost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for cut in range(len(request)):
        assert split_request(request[:cut]) is None
    assert split_request(request + b"POST") == (body, b"POST")


def test_the_planner_answers_what_the_mission_carries() -> None:
    response = answer(b'{"request": {"answer": {"status": "ready", "results": []}}, "context": {}}')
    head, _, content = response.partition(b"\r\n\r\n")
    assert json.loads(content) == {"status": "ready", "results": []}
    assert f"Content-Length: {len(content)}".encode() in head
