"""A cancel in each phase of a mission: the workflow alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from missions.contracts import (
    Activity,
    AssignmentEnded,
    AssignmentsDispatched,
    AttemptEnded,
    CancelRequest,
    MissionStopped,
    Outcome,
    PauseWish,
    Reserved,
    SlotTaken,
)
from tests.workflows.isolated import BROKEN, STEP, WAITING, Bench, Run, cancel_by_signal, cancel_natively, driving

_AWAITED = MissionStopped(outcome=Outcome.DONE, awaited=[1])


def two_groups(call: Any) -> AssignmentsDispatched:
    """The first assignment, then the second."""
    return AssignmentsDispatched(outcome=Outcome.DONE, groups=2, sent=[1 + call.group], agents="truck")


async def ends(run: Run, number: int = 1, status: str = "succeeded") -> Run:
    """The agent's last report."""
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=number, status=status))
    return run


async def _cancelled_in(bench: Bench, name: str, script: Any = None, **fields: Any) -> Run:
    """Cancelled as soon as an activity was called."""
    bench.fake.scripts[name] = script or (lambda call: None)
    run = await bench.start(ready_timeout=60, reserve_resend_interval=60, **fields)
    await run.until_called(name)
    await run.until_waiting()
    await cancel_natively(run)
    return run


def _row_says_so(bench: Bench) -> Callable[[Any], None]:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    return cancel_row


async def canceled_before_its_first_task(bench: Bench) -> Run:
    await bench.stop_workflows()
    run = await bench.start()
    await cancel_natively(run)
    bench.start_workflows()
    return run


async def canceled_while_scheduled(bench: Bench) -> Run:
    run = await bench.start(start_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await run.until_waiting()
    await cancel_natively(run)
    return run


async def canceled_while_waiting_for_a_slot(bench: Bench) -> Run:
    waits = SlotTaken(outcome=Outcome.WAITING, waiting="1 runs, and the limit is 1")
    return await _cancelled_in(bench, Activity.TAKE_SLOT, lambda call: waits, reserves=False, takes_slot=True)


async def canceled_in_line(bench: Bench) -> Run:
    return await _cancelled_in(bench, Activity.RESERVE_AGENTS, lambda call: WAITING)


async def canceled_while_asking_agents(bench: Bench) -> Run:
    return await _cancelled_in(
        bench, Activity.RESERVE_AGENTS, lambda call: Reserved(outcome=Outcome.DONE, round=call.attempt)
    )


async def canceled_between_groups(bench: Bench) -> Run:
    """The API won the row while the second group was to be sent."""

    def send(call: Any) -> Any:
        bench.fake.canceling |= call.group == 1
        return AssignmentsDispatched(outcome=Outcome.SUPERSEDED) if bench.fake.canceling else two_groups(call)

    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = send
    return await ends(await driving(bench))


async def canceled_in_a_pause(bench: Bench) -> Run:
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = two_groups
    run = await driving(bench)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await ends(run)
    await run.until_called(Activity.NOTE_PAUSE)
    await run.until_waiting()
    await cancel_natively(run)
    return run


async def canceled_twice(bench: Bench) -> Run:
    bench.fake.scripts[Activity.STOP_MISSION] = lambda call: _AWAITED
    run = await driving(bench, cancel_resend_interval=60)
    await cancel_by_signal(run)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await run.signal("cancel", CancelRequest(reason="second"))
    await cancel_natively(run)
    return await ends(run, status="canceled")


async def canceled_while_it_succeeds(bench: Bench) -> Run:
    """The API won the row just before the mission's success was written."""
    bench.fake.scripts[Activity.FINISH_MISSION] = _row_says_so(bench)
    return await ends(await driving(bench))


async def succeeded_before_its_cancel(bench: Bench) -> Run:
    """The cancel comes with the written success."""

    async def cancel(call: Any) -> None:
        await cancel_by_signal(run)

    bench.fake.scripts[Activity.FINISH_MISSION] = cancel
    run = await driving(bench)
    return await ends(run)


async def canceled_while_its_failure_is_cleaned_up(bench: Bench) -> Run:
    bench.fake.scripts |= {STEP: lambda call: BROKEN, Activity.STOP_MISSION: lambda call: _AWAITED}
    run = await bench.start(cancel_resend_interval=60)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await cancel_natively(run)
    await run.until_waiting()
    return await ends(run, status="canceled")


async def canceled_before_its_failure_is_cleaned_up(bench: Bench) -> Run:
    """The API won the row: what stops the failed mission finds it `canceling`."""
    bench.fake.scripts |= {STEP: lambda call: BROKEN, Activity.STOP_MISSION: _row_says_so(bench)}
    return await bench.start()


async def canceled_while_its_attempt_ends(bench: Bench) -> Run:
    superseded = AttemptEnded(outcome=Outcome.SUPERSEDED)
    bench.fake.scripts |= {STEP: lambda call: BROKEN, Activity.END_ATTEMPT: lambda call: superseded}
    return await bench.start(max_retries=2)


async def canceled_by_a_halt_of_its_failure(bench: Bench) -> Run:
    bench.fake.scripts |= {STEP: lambda call: BROKEN, Activity.STOP_MISSION: lambda call: _AWAITED}
    run = await bench.start(cancel_resend_interval=60)
    await run.until_called(Activity.STOP_MISSION)
    await run.until_waiting()
    await run.handle.signal("halt")
    return run


RECORDERS: list[Callable[[Bench], Awaitable[Run]]] = [
    canceled_before_its_first_task, canceled_while_scheduled, canceled_while_waiting_for_a_slot, canceled_in_line,
    canceled_while_asking_agents, canceled_between_groups, canceled_in_a_pause, canceled_twice,
    canceled_while_it_succeeds, succeeded_before_its_cancel, canceled_while_its_failure_is_cleaned_up,
    canceled_before_its_failure_is_cleaned_up, canceled_while_its_attempt_ends, canceled_by_a_halt_of_its_failure,
]  # fmt: skip
