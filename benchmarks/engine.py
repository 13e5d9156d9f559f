"""The engine's own figures: the driver as the client of the bare workflows, and as the agents that answer."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field

from temporalio.client import Client, WorkflowHandle

from benchmarks.bare_contracts import ANSWERED_BY, TASK_QUEUE, ActivityName, Report
from benchmarks.bare_workflows import BareMission, Empty
from benchmarks.child import Child
from benchmarks.load import until
from engine.client import DATA_CONVERTER

_TIMEOUT = 60.0


@dataclass
class _Run:
    handle: WorkflowHandle[BareMission, str] | None = None
    times: dict[str, float] = field(default_factory=dict)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Runs bare workflows one by one; any number may run side by side."""

    def __init__(self, client: Client, worker: Child) -> None:
        self._client, self._worker = client, worker
        self._numbers = itertools.count(1)
        self._runs: dict[int, _Run] = {}
        self._signals: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, address: str, worker: Child) -> "Engine":
        """Connect as Muster's own processes do."""
        return cls(await Client.connect(address, data_converter=DATA_CONVERTER), worker)

    async def answer(self) -> None:
        """Signal each run as soon as its activity has run; until cancelled, or the worker ends."""
        async for name, number, at in self._worker.lines():
            run = self._runs.get(number)
            if run is None:
                continue
            run.times.setdefault(name, at)
            if name in ANSWERED_BY:
                task = asyncio.create_task(self._signal(run, ANSWERED_BY[ActivityName(name)]))
                self._signals.add(task)
                task.add_done_callback(self._signals.discard)
            elif name == ActivityName.FINISH:
                run.finished.set()

    async def _signal(self, run: _Run, signal: str) -> None:
        # The activity may run before the start call has returned.
        await run.started.wait()
        assert run.handle is not None
        await run.handle.signal(signal, Report())

    async def empty(self) -> float:
        """An empty workflow; seconds from start to result."""
        began = time.time()
        await self._client.execute_workflow(
            Empty.run, id=f"benchmark-empty-{next(self._numbers)}", task_queue=TASK_QUEUE
        )
        return time.time() - began

    async def bare_mission(self, *, to_the_end: bool = True) -> float:
        """A bare mission; seconds from start to its third activity, which stands for the assignment.

        `to_the_end`: until the run is closed, else until its last activity ran, which stands for the release.
        """
        number = next(self._numbers)
        run = self._runs[number] = _Run()
        began = time.time()
        run.handle = await self._client.start_workflow(
            BareMission.run, number, id=f"benchmark-bare-{number}", task_queue=TASK_QUEUE
        )
        run.started.set()
        async with asyncio.timeout(_TIMEOUT):
            await (run.handle.result() if to_the_end else run.finished.wait())
        del self._runs[number]
        return run.times[ActivityName.DISPATCH] - began

    async def quiet(self) -> None:
        """Wait until no bare mission is open."""
        query = "WorkflowType = 'BenchmarkBareMission' AND ExecutionStatus = 'Running'"

        async def none_open() -> bool:
            return (await self._client.count_workflows(query)).count == 0

        await until(none_open, _TIMEOUT)
