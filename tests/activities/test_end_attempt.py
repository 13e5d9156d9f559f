"""The end of an attempt: tried again after it died between its parts; and what the next attempt starts from."""

from typing import Any

import pytest
from sqlalchemy import update
from temporalio.testing import ActivityEnvironment

from activities.end_attempt import AttemptEnder
from activities.finish_mission import Finisher
from activities.registry import activity_types
from activities.reserve_agents import Reservations
from activities.run_step import as_activity
from activities.stop_mission import Stopper
from missions.contracts import (
    AttemptEnded,
    CancelRequest,
    EndAttempt,
    FinishMission,
    Outcome,
    ReserveAgents,
    RunStep,
    StopMission,
)
from missions.errors import Failure, FailureCode, PartUnavailable
from missions.events import utc_now
from missions.recipes import MissionOptions
from store.events import of_mission
from store.tables import agents, assignments, events, service_requests, work_processes
from tests.activities.test_settle_failed_assignment import Outside, World, world

FIXTURES = (world,)
FAILURE = Failure(code=FailureCode.PLANNING_FAILED, text="no way")


@pytest.fixture
async def failing(world: World) -> World:
    """A mission of up to three attempts whose first has failed; its agent has stopped but for one assignment."""
    await world.plan_in_one_step()
    await world.change(work_processes, status="assignment_failed", max_retries=3, started_at=utc_now())
    async with world.database.transaction() as connection:
        await connection.execute(
            update(work_processes).where(work_processes.c.id == world.mission).values(agent_ids=[world.agent])
        )
        await connection.execute(
            update(service_requests)
            .where(service_requests.c.work_process_id == world.mission)
            .values(
                status="time-out",
                request={"n": 1},
                request_uid="job",
                service_url="http://127.0.0.1:1/",
                config={"deep": True},
                result_timeout=7,
            )
        )
        await connection.execute(update(assignments).where(assignments.c.id == world.ids[1]).values(status="canceling"))
    return world


async def end(world: World, outside: Outside, **fields: Any) -> AttemptEnded:
    call = EndAttempt(
        work_process_id=world.mission,
        attempt=1,
        transition=9,
        failure=FAILURE,
        options=MissionOptions(retry_initial_interval=60),
        **fields,
    )
    return await AttemptEnder(world.parts(outside)).end_attempt(call)


async def mission(world: World) -> Any:
    (row,) = await world.read(*work_processes.c, where=work_processes.c.id == world.mission)
    return row


async def told(world: World, *types: str) -> list[str]:
    where = (events.c.work_process_id == world.mission) & events.c.type.in_(types)
    return [row.type for row in await world.read(events.c.mission_sequence, events.c.type, where=where)]


async def test_next_attempt_is_planned_as_the_first_was(failing: World) -> None:
    outside = Outside()
    ended = await end(failing, outside)
    assert (ended.outcome, ended.number) == (Outcome.DONE, 2)
    (planned,) = ended.steps
    where = service_requests.c.id == planned.service_request_id
    (row,) = await failing.read(*service_requests.c, where=where)
    assert (row.attempt, row.step, row.status, row.config, row.result_timeout) == (
        2, "plan", "ready_for_service", {"deep": True}, 7.0,
    )  # fmt: skip
    assert (row.request, row.response, row.request_uid) == (None, None, None)
    shown = await mission(failing)
    assert (shown.status, shown.attempt, shown.started_at, shown.failure) == ("dispatched", 2, None, None)
    assert shown.next_attempt_at.isoformat() == ended.start_at
    assert outside.said == [("release", failing.agent)]
    assert not await failing.reserved()


@pytest.mark.parametrize("word", ["release", "after everything"])
async def test_what_died_is_made_up_for_by_the_next_try(failing: World, word: str) -> None:
    first = None
    if word == "release":
        with pytest.raises(PartUnavailable):
            await end(failing, Outside(dies_at=word))
    else:
        first = await end(failing, Outside())
    again = await end(failing, Outside())
    assert again.number == 2
    assert first in (None, again), "a try that comes late plans nothing"
    assert await told(failing, "task.failed", "task.retrying") == ["task.failed", "task.retrying"]
    rows = await failing.read(service_requests.c.attempt, where=service_requests.c.work_process_id == failing.mission)
    assert [row.attempt for row in rows] == [1, 2]


async def test_cancel_that_came_first_wins(failing: World) -> None:
    await failing.change(work_processes, status="canceling")
    outside = Outside()
    assert (await end(failing, outside)).outcome is Outcome.SUPERSEDED
    assert outside.said == []
    assert (await mission(failing)).attempt == 1


async def test_agent_that_never_confirmed_is_out_of_service_and_stays_listed(failing: World) -> None:
    stale = {
        "code": "agent_silent",
        "text": "it was",
        "agentId": failing.agent,
        "assignmentId": 1,
        "since": "2026-01-02T03:04:05+00:00",
    }
    await failing.change(work_processes, attention=[stale])
    await end(failing, Outside(), unconfirmed=[failing.ids[1]])
    assert [entry["code"] for entry in (await mission(failing)).attention] == ["cancel_unconfirmed"]
    assert await told(failing, "work_process.attention_cleared") == ["work_process.attention_cleared"]
    (agent,) = await failing.read(agents.c.quarantined_since, where=agents.c.id == failing.agent)
    assert agent.quarantined_since is not None


async def test_agents_and_jobs_of_an_earlier_attempt_are_left_alone(
    failing: World, caplog: pytest.LogCaptureFixture
) -> None:
    await end(failing, Outside(), unconfirmed=[failing.ids[1]])
    outside = Outside()
    number = {"work_process_id": failing.mission, "attempt": 2}
    stopped = await Stopper(failing.parts(outside)).stop_mission(
        StopMission(**number, transition=12, cancel=CancelRequest())
    )
    assert stopped.awaited == []
    await Finisher(failing.parts(outside)).finish_mission(FinishMission(**number, transition=15, status="canceled"))
    assert outside.said == [], "no cancel, no release"
    assert "to stop its job" not in caplog.text
    shown = await mission(failing)
    assert (shown.status, shown.next_attempt_at, shown.waiting_reasons) == ("canceled", None, [])


async def test_late_tries_of_the_failed_attempt_change_nothing(failing: World) -> None:
    await end(failing, Outside())
    call = ReserveAgents(work_process_id=failing.mission, attempt=1, transition=3)
    assert (await Reservations(failing.parts(Outside())).reserve_agents(call)).outcome is Outcome.SUPERSEDED
    stop = StopMission(work_process_id=failing.mission, attempt=1, transition=6, failure=FAILURE)
    assert (await Stopper(failing.parts(Outside())).stop_mission(stop)).outcome is Outcome.SUPERSEDED
    assert (await mission(failing)).status == "dispatched"


@pytest.mark.parametrize(("selector", "left"), [(None, True), ({"count": 1}, False)], ids=["named", "chosen"])
async def test_only_named_agents_stay_the_missions(failing: World, selector: Any, left: bool) -> None:
    await failing.change(work_processes, agent_selector=selector)
    await end(failing, Outside())
    assert (await mission(failing)).agent_ids == ([failing.agent] if left else [])


async def test_events_say_of_which_attempt_they_are(failing: World) -> None:
    await end(failing, Outside())
    await failing.change(work_processes, status="canceling")
    await Finisher(failing.parts(Outside())).finish_mission(
        FinishMission(work_process_id=failing.mission, attempt=2, transition=15, status="canceled")
    )
    async with failing.database.transaction() as connection:
        found = await of_mission(connection, failing.mission)
    assert {event.attempt for event in found if event.type in ("task.failed", "task.retrying")} == {1}
    assert {event.attempt for event in found if event.type == "task.cancelled"} == {2}


async def test_try_that_comes_when_the_next_attempt_has_begun_changes_nothing(failing: World) -> None:
    await end(failing, Outside())
    await failing.change(work_processes, next_attempt_at=None, waiting_reasons=[])
    assert (await end(failing, Outside())).outcome is Outcome.SUPERSEDED
    assert (await mission(failing)).attempt == 2


@pytest.mark.parametrize("status", ["dispatched", "assignment_failed"])
async def test_readers_see_another_version(failing: World, status: str) -> None:
    await failing.change(work_processes, status=status)
    before = await mission(failing)
    await end(failing, Outside())
    after = await mission(failing)
    assert after.version > before.version
    assert after.modified_at > before.modified_at


@pytest.mark.parametrize(("again", "severity"), [(True, "INFO"), (False, "ERROR")])
async def test_status_of_an_attempt_that_is_tried_again_is_no_error(failing: World, again: bool, severity: str) -> None:
    await failing.change(work_processes, status="executing")
    stop = StopMission(work_process_id=failing.mission, attempt=1, transition=6, failure=FAILURE, will_retry=again)
    await Stopper(failing.parts(Outside())).stop_mission(stop)
    where = (events.c.work_process_id == failing.mission) & (events.c.type == "work_process.status_changed")
    (told,) = await failing.read(events.c.severity, events.c.payload, where=where)
    assert (told.severity, told.payload["to"]) == (severity, "planning_failed")


async def test_attempt_that_has_not_begun_is_no_failure_when_the_missions_time_is_over(failing: World) -> None:
    await end(failing, Outside())
    late = Failure(code=FailureCode.MISSION_TIMEOUT, text="too late")
    await Finisher(failing.parts(Outside())).finish_mission(
        FinishMission(work_process_id=failing.mission, attempt=2, transition=15, status="failed", failure=late)
    )
    where = (events.c.work_process_id == failing.mission) & (events.c.type == "task.failed")
    told = await failing.read(events.c.id, events.c.attempt, events.c.payload, events.c.severity, where=where)
    assert [(row.attempt, row.payload["retry_count"], row.severity) for row in told] == [
        (1, 1, "WARNING"),
        (2, 1, "ERROR"),
    ]


async def test_step_of_the_failed_attempt_that_comes_late_does_nothing(failing: World) -> None:
    await end(failing, Outside())
    where = service_requests.c.work_process_id == failing.mission
    first, _ = await failing.read(service_requests.c.id, where=where)
    async with failing.database.transaction() as connection:
        await connection.execute(
            update(service_requests).where(service_requests.c.id == first.id).values(status="ready_for_service")
        )
    run_step = as_activity(activity_types()["microservice"], failing.parts(Outside()))
    call = RunStep(work_process_id=failing.mission, attempt=1, transition=3, service_request_id=first.id, step="plan")
    assert (await ActivityEnvironment().run(run_step, call)).outcome is Outcome.SUPERSEDED
    shown = await mission(failing)
    assert (shown.status, shown.next_attempt_at is None) == ("dispatched", False)
