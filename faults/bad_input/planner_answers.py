"""Odd answers of planners, beside good ones: `python -m faults.bad_input.planner_answers --seed 7 --count 3000`.

Each mission fails with a reason, is retried, or succeeds where its answer was valid after all, as its kind says. Broken
is: another end, an agent that is not released, a mission of others that notices, a reason nobody can read, a resource
that the API cannot show, an error in a log, a run whose tasks fail, and a worker that grows.
"""

import argparse
import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator

from faults.bad_input.answers.cases import cases
from faults.bad_input.answers.kinds import KINDS, LIMIT
from faults.bad_input.answers.odd_planner import OddPlanner
from faults.bad_input.answers.stage import set_up
from faults.bad_input.api_requests import told
from faults.bad_input.ground import Ground, ground
from faults.bad_input.growth import growth
from faults.invariants.records import faults_in_temporal
from faults.results import Result

FAULT = "planners' answers, odd"
SETTINGS = {"MUSTER_MAX_RESPONSE_BYTES": str(LIMIT), "MUSTER_PLANNER_POLL_INITIAL": "0.1"}
"""Of the stack that it runs on."""


async def planner_answers(ground: Ground, seed: int, count: int) -> Result:
    """The line of the report."""
    result = Result(FAULT, times=count)
    with OddPlanner() as planner:
        stage = await set_up(ground, planner)
        made = list(cases(seed, count, stage.facts))
        planner.answers = {case.number: case.spoiled.answers for case in made}
        async with stage.watched(), _memory(ground, result):
            stop = asyncio.Event()
            ordinary = [asyncio.ensure_future(stage.ordinary(agent, stop)) for agent in stage.others]
            await asyncio.gather(*(stage.run(number, made) for number in range(len(stage.mine))))
            stop.set()
            result.missions = sum(await asyncio.gather(*ordinary))
            result.broken += await stage.let_go()
        result.broken += stage.broken + planner.wrong[:20]
        result.broken += await stage.nothing_held()
        result.broken += stage.posted_anew(made)
        stage.database.terminate()
    result.remarks.append(f"{len({case.kind for case in made})} of {len(KINDS)} kinds; ended: {dict(stage.ends)}")
    assert ground.stack.addresses is not None
    problems = await faults_in_temporal(ground.stack.addresses.temporal_address, ground.settings.database_url)
    result.broken += problems + await ground.still_works() + ground.logged()
    return result


@contextlib.asynccontextmanager
async def _memory(ground: Ground, result: Result) -> AsyncIterator[None]:
    held: list[float] = []

    async def watch() -> None:
        while True:
            held.append(ground.memory("worker") / 2**20)
            await asyncio.sleep(0.1)

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    result.remarks.append(
        f"the worker held {held[0]:.0f} MB at first, {max(held):.0f} at most, {held[-1]:.0f} at the end"
    )
    grown = growth(held)
    if grown:
        result.broken.append("the worker's memory grows: {:.0f} MB, then {:.0f} MB".format(*grown))


async def main(seed: int, count: int) -> int:
    """Run alone, and print the line."""
    async with ground(**SETTINGS) as made:
        result = await planner_answers(made, seed, count)
    return told([result], seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--count", type=int, default=3_000, help="missions")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.seed, arguments.count)))
