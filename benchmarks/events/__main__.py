"""`python -m benchmarks.events`: about eight minutes; `--short` for one."""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from benchmarks import cpu
from benchmarks.child import Child
from benchmarks.events.figures import COST_GOAL, DELAY_GOAL, EXCHANGE_GOAL, Flow, Found
from benchmarks.events.outlets import Outlets
from benchmarks.figures import Load
from benchmarks.load import Work, keep_busy
from benchmarks.results import RESULTS
from benchmarks.stage import Stage, stage
from cli.progress import Progress

READERS = 100
EXCHANGE = "muster.events"
_WIDTH = 110  # of the table


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    events: int = 40_000
    to_streams: int = 2_000
    seconds: float = 20.0
    pairs: int = 10
    pair_seconds: float = 10.0

    @classmethod
    def short(cls) -> "Plan":
        """To try, not to quote."""
        return cls(events=4_000, to_streams=300, seconds=4.0, pairs=2, pair_seconds=4.0)


class Run:
    """One run."""

    def __init__(self, ready: Stage, plan: Plan, parts: set[str]) -> None:
        self._stage, self._plan, self._parts = ready, plan, parts
        self._outlets = Outlets(ready)
        self.found = Found(machine=cpu.machine())

    async def measure(self) -> Found:
        """Everything that was asked for."""
        plan, flows = self._plan, self.found.flows
        if "exchange" in self._parts:
            flows["exchange, as fast as it goes"] = await self._to_exchange(plan.events, 0)
            flows["exchange, 500 a second"] = await self._to_exchange(int(500 * plan.seconds), 500)
        if "streams" in self._parts:
            flows[f"{READERS} streams, 50 a second"] = await self._to_streams(int(50 * plan.seconds), 50)
            flows[f"{READERS} streams, as fast as it goes"] = await self._to_streams(plan.to_streams, 0)
        if "missions" in self._parts:
            await self._pairs()
        return self.found

    async def _to_exchange(self, count: int, rate: float) -> Flow:
        return await self._flow(self._outlets.child("queue_reader", str(count), EXCHANGE), count, rate)

    async def _to_streams(self, count: int, rate: float) -> Flow:
        stage = self._stage
        readers = self._outlets.child("stream_readers", str(READERS), str(count), stage.stack.api_url, stage.token)
        return await self._flow(readers, count, rate)

    async def _flow(self, reader: Child, count: int, rate: float) -> Flow:
        async with reader:
            await reader.first("listening")
            async with self._outlets.child("writer", str(count), str(rate)) as writer:
                _, at, delays = await reader.first("all", 300)
                _, began, ended = await writer.first("written")
        return Flow(count, ended - began, at - began, delays)

    async def _pairs(self) -> None:
        await self._outlets.take_over()
        async with self._outlets.on():
            await self._missions(self._plan.pair_seconds)  # warm-up
        used = [cpu.NOTHING, cpu.NOTHING]
        for number in range(self._plan.pairs):
            loads: dict[bool, Load] = {}
            # Each side goes first every other time: so a drift favours neither.
            order = (False, True) if number % 2 == 0 else (True, False)
            for on in order:
                async with self._outlets.on() if on else self._outlets.off():
                    before = cpu.used(self._pids())
                    loads[on] = await self._missions(self._plan.pair_seconds)
                    used[on] += cpu.used(self._pids()).since(before)
            self.found.pairs.append((loads[False], loads[True]))
        for place, side in enumerate(("off", "on")):
            self.found.cpu[side] = used[place].per(sum(pair[place].ended for pair in self.found.pairs))

    def _pids(self) -> dict[str, int]:
        """Muster's own processes and servers: readers and agents are not its cost."""
        children = self._stage.stack.processes.children
        return {name: child.record.pid for name, child in children.items()}

    async def _missions(self, seconds: float) -> Load:
        missions = self._stage.missions
        # mypy cannot infer a lambda with a default.
        works: list[Work] = [lambda member=member: missions.one_step(member) for member in self._stage.crew]  # type: ignore[misc]
        return await keep_busy(works, seconds, missions.quiet)


def show(found: Found, console: Console) -> bool:
    """Print the figures; whether every goal that was measured is met."""
    met: list[bool] = []

    def goal(is_met: bool, text: str) -> str:
        met.append(is_met)
        return f"{text} {'met' if is_met else '[red]not met[/red]'}"

    table = Table("events", "per second", "p50 ms", "p95 ms", "max ms", "goal")
    for name, flow in found.flows.items():
        words = ""
        if name.startswith("exchange, as"):
            words = goal(flow.rate >= EXCHANGE_GOAL, f"≥ {EXCHANGE_GOAL:g} a second:")
        elif name.startswith("exchange"):
            words = goal(flow.delays["p95"] < DELAY_GOAL, f"p95 < {DELAY_GOAL:g} ms:")
        delays = [f"{flow.delays[one]:.0f}" for one in ("p50", "p95", "max")]
        table.add_row(name, f"{flow.rate:.0f}", *delays, words)
    console.print(table)
    cost, costs = found.cost, found.costs
    if cost is not None and costs is not None:
        for off, on in found.pairs:
            console.print(f"missions per second: off {off.rate:.2f}, on {on.rate:.2f} ({on.rate / off.rate - 1:+.1%})")
        words = goal(cost < COST_GOAL, f"< {COST_GOAL:.0%}:")
        console.print(
            f"all outlets take {cost:.1%} of the missions per second (medians of {len(found.pairs)} pairs;"
            f" pair by pair {costs.low:.1%} … {costs.middle:.1%} … {costs.high:.1%}); {words}"
        )
        for side, used in found.cpu.items():
            names = ", ".join(f"{name} {each:.1f}" for name, each in used.items())
            console.print(f"CPU ms a mission, outlets {side}: {sum(used.values()):.0f} ({names})")
    return all(met)


async def run(plan: Plan, parts: set[str], console: Console) -> Found:
    """Set up, measure, tear down."""
    # The receiver of the webhook is on this machine.
    os.environ.update(MUSTER_WEBHOOK_ALLOW_HTTP="true", MUSTER_WEBHOOK_ALLOW_PRIVATE="true")
    async with stage(Progress(console, "Starting"), Progress(console, "Stopping")) as ready:
        with console.status("Measuring …"):
            return await Run(ready, plan, parts).measure()


def main() -> int:
    """The command line; 0 if every goal that was measured is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few seconds for each figure: to try, not to quote")
    parser.add_argument("--only", choices=("exchange", "streams", "missions"), help="measure a part")
    given = parser.parse_args()
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    parts = {given.only} if given.only else {"exchange", "streams", "missions"}
    found = asyncio.run(run(Plan.short() if given.short else Plan(), parts, console))
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"events-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(found.as_json(), indent=1) + "\n")
    return 0 if show(found, console) else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Temporal's native runtime may abort an interpreter that ends in the usual way.
    os._exit(code)
