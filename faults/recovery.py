"""How long it takes until missions flow again, measured by missions of one short assignment."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from faults.load.riders import Riders
from faults.load.scripts import Mission

GIVEN_UP_AFTER = 60.0


async def until_missions_flow(riders: Riders, probes: Sequence[Mission]) -> float:
    """Seconds until the slowest of several missions has ended that are asked for now, each on an agent of its own."""
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GIVEN_UP_AFTER):
            await asyncio.gather(*map(riders.run, probes))
    return time.monotonic() - began
