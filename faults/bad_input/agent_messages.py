"""A million bad messages of agents through the real broker: `python -m faults.bad_input.agent_messages`.

Intake stays up, the good messages in between keep their order, each bad one is accounted for, nothing grows.
"""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from aiormq import Channel

from benchmarks.child import ROOT
from faults.bad_input.growth import growth
from faults.bad_input.logs import errors_in
from faults.bad_input.messages.accounts_of_a_storm import Accounts
from faults.bad_input.messages.fates import Fate
from faults.bad_input.messages.order_seen import OrderSeen
from faults.bad_input.messages.stage import Stage, channel, stage
from faults.bad_input.messages.storm import Storm, Watched
from faults.results import HEADER, Result, verdict
from fleet.topology import DEAD_LETTER_ARGUMENTS

FAULT = "agents' messages, bad"
DATA = ROOT / ".muster-faults-agent-messages"
_MISSION_EACH = 0.5
_UNREAD_FROM = 100_000
"""So many make it worth a look at a queue of dead letters that nobody reads."""


async def agent_messages(*, count: int, seed: int, folder: Path = DATA) -> Result:
    """Send `count` bad messages made from `seed`, beside good ones and missions; what came of it."""
    result = Result(FAULT, times=count)
    async with stage(folder) as ready, contextlib.AsyncExitStack() as exits:
        looking = await channel(ready.settings.amqp_url, exits)
        reading = await channel(ready.settings.amqp_url, exits)
        storm = Storm(ready, count=count, seed=seed)
        accounts = await Accounts.open(ready)
        stop = asyncio.Event()
        missions = asyncio.ensure_future(_missions(ready, stop))
        order = OrderSeen(ready)
        watch = asyncio.ensure_future(order.watch(stop))
        began = _cpu(ready)
        await storm.rage(looking, reading, accounts.settled)
        used = _cpu(ready) - began
        stop.set()
        result.missions = await missions
        await watch
        result.broken += order.broken + await order.compare()
        result.broken += await accounts.compare(storm)
        result.broken += await _missions_end_well(ready)
        result.broken += _intake_lives(ready) + _logged(ready.intake.log.parent) + _memory(storm.watched)
        result.remarks += [*_told(storm, used), accounts.told()]
        if count >= _UNREAD_FROM:
            result.broken += await _unread(storm, looking, reading, result.remarks)
    return result


async def _missions(ready: Stage, stop: asyncio.Event) -> int:
    """Missions one after the other on each of the crew, until told to stop; how many."""
    done = 0

    async def again(number: int) -> None:
        nonlocal done
        while not stop.is_set():
            await ready.missions.one_step(ready.crew[number])
            done += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _MISSION_EACH)

    await asyncio.gather(*(again(number) for number in range(len(ready.crew))))
    return done


async def _missions_end_well(ready: Stage) -> list[str]:
    canceled = await ready.http.post(f"/work-processes/{ready.held_mission}/cancel", json={})
    canceled.raise_for_status()
    await ready.missions.quiet()
    found = (await ready.http.get(f"/work-processes/{ready.held_mission}")).json()
    held = [] if found["status"] == "canceled" else [f"mission {found['id']}: {found['status']} instead of canceled"]
    return [f"mission failed: {one}" for one in await ready.missions.failed()] + held


def _intake_lives(ready: Stage) -> list[str]:
    return [] if ready.intake.record.is_alive() else [f"the intake ended: {ready.intake.process.returncode}"]


def _logged(logs: Path) -> list[str]:
    """What each of our programs says of errors, at most this much of each."""
    names = ("worker-intake", "worker-missions", "api")
    texts = {name: (logs / f"{name}.log").read_text(errors="replace") for name in names}
    return [f"{name}.log: {line}" for name, text in texts.items() for line in errors_in(text)[:20]]


def _memory(watched: Watched) -> list[str]:
    grown = growth(watched.memory)
    return ["the intake's memory grows: {:.0f} MB, then {:.0f} MB".format(*grown)] if grown else []


def _told(storm: Storm, used: float) -> list[str]:
    tally, watched = storm.tally, storm.watched
    sent = tally.fates.total()
    fates = ", ".join(f"{number} {fate}" for fate, number in sorted(tally.fates.items()))
    memory = watched.memory or [0.0]
    deepest = ", ".join(f"{queue} {depth}" for queue, depth in sorted(watched.deepest.items()))
    return [
        f"messages: {fates}; {len(tally.kinds)} kinds",
        f"{sent / watched.seconds:.0f} messages/s, {tally.fates[Fate.GOOD] / watched.seconds:.0f} good ones among them;"
        f" the intake took {1000 * used / sent:.2f} ms of CPU for each",
        f"memory of the intake: {memory[0]:.0f} MB at first, {max(memory):.0f} at most, {memory[-1]:.0f} at the end",
        f"longest queues: {deepest}",
    ]


async def _unread(storm: Storm, looking: Channel, reading: Channel, remarks: list[str]) -> list[str]:
    """Nobody reads the dead letters: the oldest give way, the counts go on."""
    bound = int(DEAD_LETTER_ARGUMENTS["x-max-length"])
    depth = await storm.unread(looking, reading, bound + 2_000)
    remarks.append(f"{bound + 2_000} dead letters that nobody read left {depth} in their queue")
    return [] if depth <= bound else [f"{depth} dead letters wait, more than {bound}"]


def _cpu(ready: Stage) -> float:
    times = ready.process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m faults.bad_input.agent_messages", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="bad messages")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same messages")
    options = parser.parse_args()
    print(f"{options.count} bad messages, seed {options.seed}", flush=True)
    result = asyncio.run(agent_messages(count=options.count, seed=options.seed))
    said, code = verdict([result])
    print("\n".join([HEADER, result.line(), *result.remarks, *result.broken, said]))
    sys.exit(code)


if __name__ == "__main__":
    main()
