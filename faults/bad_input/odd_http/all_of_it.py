"""All odd HTTP, in an order by one seed: requests side by side, then connections in their numbers."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from typing import Any

from faults.bad_input.ground import Ground
from faults.bad_input.odd_http.bodies import bodies
from faults.bad_input.odd_http.connections import left_open, pipelined
from faults.bad_input.odd_http.dot_ids import dot_ids
from faults.bad_input.odd_http.framing import framing
from faults.bad_input.odd_http.heads import heads
from faults.bad_input.odd_http.never_ending import never_ending
from faults.bad_input.odd_http.paths import paths
from faults.bad_input.odd_http.request import Case
from faults.bad_input.odd_http.sender import Sender
from faults.results import Result

_AT_ONCE = 50


def cases(token: str, description: Mapping[str, Any]) -> Iterator[Case]:
    """Each on a connection of its own; `description`: the API's."""
    yield from bodies(token)
    yield from paths(token)
    yield from dot_ids(token, description)
    yield from heads(token)
    yield from framing(token)


async def odd_http(ground: Ground, seed: int, *, limit: float) -> Result:
    """Send it all. `limit`: seconds that an answer may take."""
    result = Result("API: odd HTTP")
    sender = Sender(ground.stack.api_url, limit, result)
    made = list(cases(ground.token, await ground.get(f"{ground.stack.api_url}/openapi.json")))
    random.Random(seed).shuffle(made)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> None:
        async with slots:
            await sender.answered(case)

    slow = asyncio.ensure_future(never_ending(sender, ground.token))
    await asyncio.gather(*(one(case) for case in made))
    await pipelined(sender, ground.token)
    await left_open(sender, ground.token)
    await slow
    return result
