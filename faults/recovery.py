"""How long it takes until missions flow again, measured by missions of one short assignment."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from faults.load.riders import Riders
from faults.load.scripts import Mission

GIVEN_UP_AFTER = 60.0


async def until_missions_flow(riders: Riders, probes: Sequence[Mission]) -> float:
    """Seconds until each of several missions has succeeded that are asked for now, each on an agent of its own.

    One that ends otherwise, as those of unknown outcome do, shows no flow, and is asked for again.
    """
    began = time.monotonic()

    async def flows(probe: Mission) -> None:
        while (end := await riders.run(probe)) is None or end.status != "succeeded":
            pass

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GIVEN_UP_AFTER):
            await asyncio.gather(*map(flows, probes))
    return time.monotonic() - began
