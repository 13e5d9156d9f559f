"""Endings of platforms' commands: their workflow alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from typing import Any

from missions.contracts import Activity, Outcome
from missions.errors import Failure, FailureCode
from missions.mission_files.platform_contracts import PlatformCommandSettled
from tests.workflows.isolated import WAITING, Run, cancel_natively, end_assignment
from tests.workflows.isolated_platforms import SETTLE, PlatformBench


async def _both_done(bench: PlatformBench) -> Run:
    run = await bench.both_told()
    for number in (1, 2):
        await end_assignment(run, number)
    return run


async def succeeded_platform_command(bench: PlatformBench) -> Run:
    return await _both_done(bench)


async def failed_platform_command(bench: PlatformBench) -> Run:
    failure = Failure(code=FailureCode.ASSIGNMENT_FAILED, text="ctd-1 did not do GO_ACTIVE: no", agent_id=1)
    bench.fake.scripts[SETTLE] = lambda call: PlatformCommandSettled(outcome=Outcome.FAILED, failure=failure)
    return await _both_done(bench)


async def canceled_platform_command(bench: PlatformBench) -> Run:
    run = await bench.both_told()
    await cancel_natively(run)
    return run


async def failed_platform_command_time_out(bench: PlatformBench) -> Run:
    waits = PlatformCommandSettled(outcome=Outcome.WAITING, waiting=["ctd-2"])
    bench.fake.scripts[SETTLE] = lambda call: waits
    return await bench.give(command_timeout=0.2)


async def succeeded_platform_command_without_instruments(bench: PlatformBench) -> Run:
    run = await bench.both_told(reserves=False, command="EXECUTE_RESOURCE", name="TURN_ON_PORT", values=[1])
    for number in (1, 2):
        await end_assignment(run, number)
    return run


async def canceled_platform_command_in_line(bench: PlatformBench) -> Run:
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: WAITING
    run = await bench.give()
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.until_waiting()
    await cancel_natively(run)
    return run


async def canceled_platform_command_as_its_row_said(bench: PlatformBench) -> Run:
    def superseded(call: Any) -> PlatformCommandSettled:
        bench.fake.canceling = True
        return PlatformCommandSettled(outcome=Outcome.SUPERSEDED)

    bench.fake.scripts[SETTLE] = superseded
    return await bench.give(command_timeout=0.2)


async def canceled_platform_command_by_halt(bench: PlatformBench) -> Run:
    run = await bench.both_told()
    await run.handle.signal("halt")
    return run


RECORDERS: list[Callable[[PlatformBench], Awaitable[Run]]] = [
    succeeded_platform_command,
    failed_platform_command,
    canceled_platform_command,
    failed_platform_command_time_out,
    succeeded_platform_command_without_instruments,
    canceled_platform_command_in_line,
    canceled_platform_command_as_its_row_said,
    canceled_platform_command_by_halt,
]
