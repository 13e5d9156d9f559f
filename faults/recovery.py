"""How long it takes until missions flow again, measured by missions of one short assignment."""

import asyncio
import time

from faults.load import scripts
from faults.load.riders import Riders
from faults.stage.crew import probes

GIVEN_UP_AFTER = 60.0


async def until_missions_flow(riders: Riders) -> float:
    """Seconds until the slowest of several missions has ended that are asked for now, each on an agent of its own."""
    began = time.monotonic()
    ends = [riders.run(scripts.probe(agent)) for agent in probes()]
    try:
        async with asyncio.timeout(GIVEN_UP_AFTER):
            await asyncio.gather(*ends)
    except TimeoutError:
        pass
    return time.monotonic() - began
