"""Records a closed history of every kind of ending, for the replay tests: `make histories`, about a minute.

A whole Muster with SDK agents runs the missions; what no site can be made to produce is recorded from the workflow with
scripted activities (`scripts/histories/`); tests/workflows/endings.py says what each shows. Until version 0.1 they are
simply recorded again; from then on a history stays, and a change of the workflow's commands needs a patch.
"""

# ruff: noqa: T201 -- it is a command

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from temporalio.client import Client, WorkflowHandle  # noqa: E402

from muster import __version__  # noqa: E402
from scripts.command_order import is_released  # noqa: E402
from scripts.histories import (  # noqa: E402
    alone,
    cancel_phases,
    continued,
    mission_files,
    mission_queues,
    missions,
    platform_commands,
    waits_and_failures,
)
from scripts.histories.mission_queues import Queue  # noqa: E402
from tests.support import services  # noqa: E402
from tests.support.site import Mission, Site, running_site  # noqa: E402
from tests.workflows.isolated import Bench, Run, engine  # noqa: E402
from tests.workflows.isolated_files import FileBench  # noqa: E402
from tests.workflows.isolated_platforms import PlatformBench  # noqa: E402

FOLDER = ROOT / "tests" / "workflows" / "histories"
# Who, where and by which lines: replay does not look at it, and it would differ at each recording.
NOISE = {"taskId", "identity", "requestId", "workerVersion", "stackTrace"}

AnyBench = TypeVar("AnyBench", bound=Bench)
BySite = Callable[[Site], Awaitable[Mission | Queue]]
ByBench = Callable[[Bench], Awaitable[Run]]
ByFileBench = Callable[[FileBench], Awaitable[Run]]
ByPlatformBench = Callable[[PlatformBench], Awaitable[Run]]
BY_SITE: list[BySite] = [*missions.RECORDERS, *mission_queues.RECORDERS]
BY_BENCH: list[ByBench] = [
    *alone.RECORDERS,
    *cancel_phases.RECORDERS,
    *waits_and_failures.RECORDERS,
    *continued.RECORDERS,
]
BY_FILE_BENCH: list[ByFileBench] = mission_files.RECORDERS
BY_PLATFORM_BENCH: list[ByPlatformBench] = platform_commands.RECORDERS


def kinds() -> list[str]:
    """The kinds of endings: the files' names."""
    return sorted(record.__name__ for record in (*BY_SITE, *BY_BENCH, *BY_FILE_BENCH, *BY_PLATFORM_BENCH))


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(item) for key, item in value.items() if key not in NOISE}
    return [_without_noise(item) for item in value] if isinstance(value, list) else value


async def _save(kind: str, handle: WorkflowHandle[Any, Any]) -> None:
    events = json.loads((await handle.fetch_history()).to_json())["events"]
    lines = ",\n".join(json.dumps(_without_noise(event), ensure_ascii=False, sort_keys=True) for event in events)
    (FOLDER / f"{kind}.json").write_text(f'{{"events": [\n{lines}\n]}}\n')
    print(f"{kind}: {len(events)} events, {events[-1]['eventType']}")


async def _by_site(site: Site, record: BySite, turn: asyncio.Semaphore) -> None:
    async with turn:
        mission = await record(site)
        ending = record.__name__.partition("_")[0]
        await mission.until(ending, timeout=60)
        await mission.run_status()
        await _save(record.__name__, await mission.run())


async def _by_bench(
    engines: tuple[Client, Client],
    turn: asyncio.Semaphore,
    kind: type[AnyBench],
    record: Callable[[AnyBench], Awaitable[Run]],
) -> None:
    """On the first engine, or on the second, which soon tells runs to continue as new."""
    continues = any(word in record.__name__ for word in ("continued", "another_run"))
    bench = kind(engines[continues])
    async with turn, bench.running():
        run = await record(bench)
        await run.ended()
        await _save(record.__name__, run.handle)


async def main() -> None:
    """Record all kinds, or those named on the command line; from version 0.1 on, those that are not stored yet."""
    stored = {path.stem for path in FOLDER.glob("*.json")}
    if is_released(__version__):
        wanted = (set(sys.argv[1:]) or set(kinds())) - stored
    else:
        wanted = set(sys.argv[1:]) or set(kinds())
        for old in stored - set(kinds()):
            (FOLDER / f"{old}.json").unlink()
    FOLDER.mkdir(exist_ok=True)
    services.announce()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with running_site(services.find(), Path(folder)) as site, engine() as impatient:
                engines = site.temporal, impatient
                at_site, alone = asyncio.Semaphore(4), asyncio.Semaphore(20)
                recorded = await asyncio.gather(
                    *(_by_site(site, one, at_site) for one in BY_SITE if one.__name__ in wanted),
                    *(_by_bench(engines, alone, Bench, one) for one in BY_BENCH if one.__name__ in wanted),
                    *(_by_bench(engines, alone, FileBench, one) for one in BY_FILE_BENCH if one.__name__ in wanted),
                    *(
                        _by_bench(engines, alone, PlatformBench, one)
                        for one in BY_PLATFORM_BENCH
                        if one.__name__ in wanted
                    ),
                    return_exceptions=True,  # none may be cut off by the engines' end
                )
                for failed in recorded:
                    if failed is not None:
                        raise failed
    finally:
        services.shut_down()


if __name__ == "__main__":
    asyncio.run(main())
