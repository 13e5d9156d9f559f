"""Waits, pauses and failures that no other history has: the workflow alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.exceptions import ApplicationError

from missions.contracts import (
    Activity,
    AgentFreed,
    AgentSilence,
    AgentTold,
    AssignmentCancelWish,
    AssignmentsDispatched,
    AssignmentStarted,
    Outcome,
    PauseWish,
    Reserved,
    SlotGranted,
    SlotTaken,
    SubstituteReserved,
)
from missions.errors import ILLEGAL_TRANSITION, Failure, FailureCode
from scripts.histories.cancel_phases import ends, two_groups
from tests.workflows.isolated import BROKEN, STEP, UNKNOWN, Bench, Run, driving

_SILENT = AgentSilence(assignment_id=1, text="agent truck has said nothing for 0.2 s")


def _waits_for_a_slot(bench: Bench) -> None:
    waits = SlotTaken(outcome=Outcome.WAITING, waiting="1 runs, and the limit is 1")
    bench.fake.scripts[Activity.TAKE_SLOT] = lambda call: waits


async def succeeded_after_its_scheduled_start(bench: Bench) -> Run:
    run = await bench.start(start_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    return await ends(run)


async def succeeded_after_waiting_for_a_slot(bench: Bench) -> Run:
    _waits_for_a_slot(bench)
    run = await bench.start(reserves=False, takes_slot=True)
    await run.until_called(Activity.TAKE_SLOT)
    await run.until_waiting()
    await run.signal("slot_granted", SlotGranted(attempt=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    return await ends(run)


async def failed_wait_for_a_slot(bench: Bench) -> Run:
    _waits_for_a_slot(bench)
    return await bench.start(reserves=False, takes_slot=True, options={"max_wait": 0.2})


async def succeeded_with_agents_by_choice(bench: Bench) -> Run:
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: Reserved(
        outcome=Outcome.DONE, ready=True, chosen=["truck"]
    )
    return await ends(await driving(bench))


async def failed_reservation(bench: Bench) -> Run:
    failure = Failure(code=FailureCode.AGENT_NOT_LISTENING, text="agent truck did not answer")
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: Reserved(outcome=Outcome.FAILED, failure=failure)
    return await bench.start()


async def failed_group(bench: Bench) -> Run:
    failure = Failure(code=FailureCode.AGENT_HELD, text="mission 3 holds agent truck")
    held = AssignmentsDispatched(outcome=Outcome.FAILED, failure=failure)
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: held
    return await bench.start()


async def failed_step_by_an_exception(bench: Bench) -> Run:
    def broken(call: Any) -> None:
        raise ApplicationError("broken", non_retryable=True)

    bench.fake.scripts[STEP] = broken
    return await bench.start()


async def failed_by_a_fault_of_ours(bench: Bench) -> Run:
    def illegal(call: Any) -> None:
        raise ApplicationError("from succeeded to executing", type=ILLEGAL_TRANSITION, non_retryable=True)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = illegal
    return await bench.start()


async def failed_last_attempt(bench: Bench) -> Run:
    bench.fake.scripts[STEP] = lambda call: BROKEN
    return await bench.start(max_retries=2)


async def succeeded_after_a_pause_between_attempts(bench: Bench) -> Run:
    bench.fake.scripts[STEP] = lambda call: BROKEN if call.attempt == 1 else None
    bench.fake.retry_delay = 1
    run = await bench.start(max_retries=2)
    await run.until_called(Activity.END_ATTEMPT)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    await run.signal("pause", PauseWish(paused=False, number=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    return await ends(run, 2)


async def succeeded_after_a_deferred_pause(bench: Bench) -> Run:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench, options={"mission_timeout": 60.0})
    await run.signal("pause", PauseWish(paused=True, number=1))
    await ends(run)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    await run.signal("pause", PauseWish(paused=False, number=2))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    return await ends(run, 2)


async def succeeded_after_a_pause_that_came_back(bench: Bench) -> Run:
    run = await driving(bench)
    await run.signal("pause", PauseWish(paused=True, number=1, immediate=True))
    await run.signal("agent_told", AgentTold(instant_action_id=5, listening=False))
    await run.until_called(Activity.RAISE_ATTENTION)
    await run.signal("pause", PauseWish(paused=False, number=2))
    return await ends(run)


async def failed_cancel_of_an_assignment(bench: Bench) -> Run:
    """Its agent was asked three times, then a person; then it said that it stopped."""
    run = await driving(bench, cancel_resend_interval=0.1)
    await run.signal("cancel_assignment", AssignmentCancelWish(assignment_id=1))
    await run.until_called(Activity.RAISE_ATTENTION)
    return await ends(run, status="canceled")


async def succeeded_after_an_unconfirmed_start_began(bench: Bench) -> Run:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: UNKNOWN
    run = await driving(bench, options={"assignment_start_timeout": 60.0})
    await run.signal("assignment_started", AssignmentStarted(assignment_id=1))
    await run.until_waiting()
    return await ends(run)


async def succeeded_once_another_agent_was_freed(bench: Bench) -> Run:
    first = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], agents="truck")
    again = first.model_copy(update={"sent": [1, 2], "ended": {"1": "failed"}})
    nobody = SubstituteReserved(outcome=Outcome.WAITING)
    bench.fake.scripts |= {
        Activity.DISPATCH_ASSIGNMENTS: lambda call: again if call.again else first,
        Activity.RESERVE_SUBSTITUTE: lambda call: (
            nobody if bench.fake.names().count(Activity.RESERVE_SUBSTITUTE) < 2 else None
        ),
    }
    run = await driving(bench, options={"agent_silence": 0.2, "on_agent_silent": "reassign"})
    await run.signal("agent_silent", _SILENT)
    await run.until_called(Activity.RESERVE_SUBSTITUTE)
    await run.until_waiting()
    await run.signal("agent_freed", AgentFreed(assignment_id=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    return await ends(run, 2)


RECORDERS: list[Callable[[Bench], Awaitable[Run]]] = [
    succeeded_after_its_scheduled_start, succeeded_after_waiting_for_a_slot, failed_wait_for_a_slot,
    succeeded_with_agents_by_choice, failed_reservation, failed_group, failed_step_by_an_exception,
    failed_by_a_fault_of_ours, failed_last_attempt, succeeded_after_a_pause_between_attempts,
    succeeded_after_a_deferred_pause, succeeded_after_a_pause_that_came_back, failed_cancel_of_an_assignment,
    succeeded_after_an_unconfirmed_start_began, succeeded_once_another_agent_was_freed,
]  # fmt: skip
