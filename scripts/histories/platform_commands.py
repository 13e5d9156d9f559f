"""Endings of platforms' commands: their workflow alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable

from missions.contracts import Outcome
from missions.errors import Failure, FailureCode
from missions.mission_files.platform_contracts import PlatformCommandSettled
from tests.workflows.isolated import Run, cancel_natively, end_assignment
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


RECORDERS: list[Callable[[PlatformBench], Awaitable[Run]]] = [
    succeeded_platform_command,
    failed_platform_command,
    canceled_platform_command,
]
