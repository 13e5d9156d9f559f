"""What faults explain, and what nothing explains."""

import pytest

from faults.invariants import planner, repairs
from faults.invariants.settlements import Doubted, faults_of, told
from faults.invariants.strikes import AFTERMATH, Strike
from tests.faults.lines import journal, sent

HOW = "(waiting) failed by its recipe"
UNEXPLAINED = f"no fault explains that an outcome was unknown: mission 1 {HOW}"
RABBITMQ = Strike("RabbitMQ: SIGKILL", 100, 103)
ODD = Strike("agents: late reports", 100, 103)


def doubted(sent_at: float, settled_at: float, agent: str = "thin-1-1") -> dict[int, list[Doubted]]:
    return {1: [Doubted(7, agent, "failed", sent_at, settled_at)]}


@pytest.mark.parametrize(
    ("sent_at", "settled_at"),
    [(101, 112), (90, 105), (103 + AFTERMATH, 140), (103 + 20, 133)],
    ids=["meanwhile", "before", "after", "over a connection that is dead and not yet found out"],
)
def test_a_settlement_around_a_fault_is_explained(sent_at: float, settled_at: float) -> None:
    assert list(faults_of({1: HOW}, doubted(sent_at, settled_at), [RABBITMQ])) == []


@pytest.mark.parametrize(("sent_at", "settled_at"), [(80, 99), (104 + AFTERMATH, 140)])
def test_a_settlement_far_from_any_fault_is_found(sent_at: float, settled_at: float) -> None:
    assert list(faults_of({1: HOW}, doubted(sent_at, settled_at), [RABBITMQ])) == [UNEXPLAINED]
    assert list(faults_of({1: HOW}, {}, [RABBITMQ])) == [UNEXPLAINED]


@pytest.mark.parametrize("fault", ["nothing, to compare with", "API: SIGKILL", "network to planner: cut"])
def test_a_fault_that_loses_no_assignment_explains_none(fault: str) -> None:
    assert list(faults_of({1: HOW}, doubted(101, 112), [Strike(fault, 100, 103)])) == [UNEXPLAINED]


def test_those_that_misbehave_explain_only_what_becomes_of_themselves() -> None:
    assert list(faults_of({1: HOW}, doubted(101, 112), [ODD])) == [UNEXPLAINED]
    assert list(faults_of({1: HOW}, doubted(101, 112, "odd-1"), [ODD])) == []


def test_a_settlement_is_told_with_what_broker_and_agent_know() -> None:
    (one,) = told({1: HOW}, doubted(1, 2), journal(sent("assignment", 1, 7)), [])
    assert one == f"mission 1 {HOW} (assignment 7 went to its agent's queue, agent thin-1-1 never began it)"


def test_a_repair_that_no_fault_of_its_time_explains_is_found() -> None:
    looks = [repairs.Look(100, {"run_resumed": 1}), repairs.Look(130, {"run_resumed": 4, "agents_freed": 3})]
    found = [f"3 repairs ({kind}) that no fault explains" for kind in ("run_resumed", "agents_freed")]
    assert list(repairs.faults_of(looks, [RABBITMQ])) == found
    assert list(repairs.faults_of(looks, [Strike("Temporal: SIGKILL", 90, 103)])) == found[1:]
    assert list(repairs.faults_of(looks, [Strike("Temporal: SIGKILL", 1, 3)])) == found, "it was long before"
    assert list(repairs.faults_of(looks, [Strike("Temporal: SIGKILL", 140, 143)])) == found, "it came later"
    assert repairs.told(looks[1].counts) == "repairs: 3 agents_freed, 4 run_resumed"


def test_a_job_that_is_given_twice_is_found_unless_its_answer_may_be_lost() -> None:
    again = {"at": 110.0, "method": "POST", "job": "j", "known": True}
    lines = [{**again, "known": False}, {"at": 111.0, "method": "DELETE", "job": "j"}, again]
    assert list(planner.faults_of(lines, [RABBITMQ])) == ["the planner was given job j again"]
    assert list(planner.faults_of(lines, [Strike("planner: SIGKILL", 100, 103)])) == []


def test_an_answer_that_never_came_is_found_unless_its_connection_died() -> None:
    ended = {1: 230.0}
    assert list(planner.unanswered(ended, [RABBITMQ])) == ["mission 1 got no answer from its planner"]
    assert list(planner.unanswered(ended, [Strike("network to planner: cut", 100, 103)])) != []
    assert list(planner.unanswered(ended, [Strike("network to planner: half-open", 10, 11)])) != []
    assert list(planner.unanswered(ended, [Strike("network to planner: half-open", 100, 101)])) == []


def test_an_assignment_that_succeeded_explains_nothing_of_one_that_did_not() -> None:
    good, bad = Doubted(7, "a", "succeeded", 101, 112), Doubted(8, "a", "failed", 80, 99)
    assert list(faults_of({1: HOW}, {1: [good, bad]}, [RABBITMQ])) == [UNEXPLAINED]
    assert list(faults_of({1: HOW}, {1: [good]}, [RABBITMQ])) == []
