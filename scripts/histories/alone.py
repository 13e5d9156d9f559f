"""Endings that no site can be made to produce: the workflow alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from typing import Any

from missions.contracts import (
    Activity,
    AgentListens,
    AgentSilence,
    AssignmentDoubted,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentsDispatched,
    Outcome,
    TakesOver,
)
from tests.workflows.isolated import TERMINATED, Bench, Run


async def _unconfirmed_start(bench: Bench, policy: str) -> Run:
    sent = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], unconfirmed=[1], agents="truck")
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: sent
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    return await bench.start(options={"assignment_start_timeout": 0.2, "unconfirmed_start": policy})


async def _then_succeeds(run: Run, after: str) -> Run:
    await run.until_called(after)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="succeeded"))
    return run


async def succeeded_after_an_unconfirmed_start_was_held(bench: Bench) -> Run:
    return await _then_succeeds(await _unconfirmed_start(bench, "hold"), Activity.RAISE_ATTENTION)


async def succeeded_after_an_unconfirmed_start_was_resent(bench: Bench) -> Run:
    return await _then_succeeds(await _unconfirmed_start(bench, "resend"), Activity.RESEND_ASSIGNMENT)


async def failed_unconfirmed_start(bench: Bench) -> Run:
    return await _unconfirmed_start(bench, "fail")


async def succeeded_after_a_restart_of_its_agent(bench: Bench) -> Run:
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    run = await bench.start(options={"assignment_start_timeout": 0.2, "unconfirmed_start": "resend"})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    await run.signal("assignment_doubted", AssignmentDoubted(assignment_id=1))
    return await _then_succeeds(run, Activity.RESEND_ASSIGNMENT)


async def succeeded_after_its_assignment_came_back(bench: Bench) -> Run:
    sent = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], agents="truck")
    back = sent.model_copy(update={"unheard": [1], "agents": ""})
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: sent if call.again else back
    run = await bench.start()
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    await run.signal("agent_listens", AgentListens(assignment_id=1))
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    return await _then_succeeds(run, Activity.DISPATCH_ASSIGNMENTS)


async def _falls_silent(bench: Bench, policy: str) -> Run:
    run = await bench.start(options={"agent_silence": 0.2, "on_agent_silent": policy})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    await run.signal("agent_silent", AgentSilence(assignment_id=1, text="agent truck has said nothing for 0.2 s"))
    return run


async def succeeded_after_silence_of_an_agent(bench: Bench) -> Run:
    run = await _falls_silent(bench, "wait")
    await run.signal("agent_silent", AgentSilence(assignment_id=1, silent=False))
    return await _then_succeeds(run, Activity.DISPATCH_ASSIGNMENTS)


async def failed_by_a_silent_agent(bench: Bench) -> Run:
    return await _falls_silent(bench, "fail")


async def succeeded_by_another_agent(bench: Bench) -> Run:
    first = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], agents="truck")
    again = first.model_copy(update={"sent": [1, 2], "ended": {"1": "failed"}})
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: again if call.again else first
    run = await _falls_silent(bench, "reassign")
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=2, status="succeeded"))
    return run


async def canceled_as_its_row_said(bench: Bench) -> Run:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    bench.fake.scripts[Activity.RESERVE_AGENTS] = cancel_row
    return await bench.start()


async def canceled_while_failing(bench: Bench) -> Run:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    bench.fake.scripts[Activity.FINISH_MISSION] = cancel_row
    return await bench.start(options={"mission_timeout": 0.2})


async def failed_as_its_run_was_terminated(bench: Bench) -> Run:
    return await bench.start(takes_over=TERMINATED)


async def canceled_as_its_run_was_terminated(bench: Bench) -> Run:
    bench.fake.canceling = True
    return await bench.start(takes_over=TERMINATED)


async def succeeded_in_another_run(bench: Bench) -> Run:
    return await _then_succeeds(
        await bench.start(takes_over=TakesOver(first_transition=1000)), Activity.DISPATCH_ASSIGNMENTS
    )


RECORDERS: list[Callable[[Bench], Awaitable[Run]]] = [
    succeeded_after_an_unconfirmed_start_was_held, succeeded_after_an_unconfirmed_start_was_resent,
    failed_unconfirmed_start, succeeded_after_a_restart_of_its_agent, succeeded_after_its_assignment_came_back,
    succeeded_after_silence_of_an_agent, canceled_as_its_row_said, canceled_while_failing,
    failed_by_a_silent_agent, succeeded_by_another_agent,
    failed_as_its_run_was_terminated, canceled_as_its_run_was_terminated, succeeded_in_another_run,
]  # fmt: skip
