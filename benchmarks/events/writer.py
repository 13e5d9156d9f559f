"""Appends events to the log: so many, so many a second (0: as fast as it goes)."""

import asyncio
import sys
import time

import uvloop

from benchmarks.child import say, until_the_driver_is_gone
from missions.event_catalogue import event
from missions.event_payloads.configuration import RecipeChanged
from missions.events import Action, EventSource, NewEvent
from missions.principals import MUSTER
from settings import Settings
from store import events
from store.database import Database

MARK = "benchmark"
"""The `name` in the payload of its events."""
_TOGETHER = 10  # as many as a mission's ordinary transaction and its neighbours' have, more or less
_WRITERS = 2


def _events(count: int) -> list[NewEvent]:
    return [
        event(RecipeChanged(recipe_id=number, name=MARK, action=Action.UPDATED), source=EventSource.API, actor=MUSTER)
        for number in range(1, count + 1)
    ]


async def main() -> None:
    count, rate = int(sys.argv[1]), float(sys.argv[2])
    database = Database(Settings())
    began, left = time.time(), count

    async def write() -> None:
        nonlocal left
        while left > 0:
            mine = min(_TOGETHER, left)
            left -= mine
            async with database.transaction() as connection:
                await events.append(connection, _events(mine))
            if rate:
                await asyncio.sleep(began + (count - left) / rate - time.time())

    await asyncio.gather(*(write() for _ in range(_WRITERS)))
    say("written", began, time.time())
    await database.close()
    await until_the_driver_is_gone()


if __name__ == "__main__":
    uvloop.run(main())
