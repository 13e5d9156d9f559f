"""The order of the good messages, seen from outside: by looking all the time, and in the event log afterwards."""

import asyncio
import contextlib

from sqlalchemy import text

from faults.bad_input.messages.stage import Stage
from faults.bad_input.messages.storm import status_of

_LOOK = 0.1
_FIRST = "not_automatable"


class OrderSeen:
    """Looks at the numbers that the speakers' good messages carry."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.broken: list[str] = []

    async def watch(self, stop: asyncio.Event) -> None:
        """Until told to stop: no number goes back."""
        last: dict[str, tuple[int, int]] = {}
        while not stop.is_set():
            now = await self._numbers()
            for uuid, numbers in now.items():
                before = last.get(uuid, (0, 0))
                if numbers[0] < before[0] or numbers[1] < before[1]:
                    self.broken.append(f"{uuid}: its last state and reading went from {before} back to {numbers}")
            last = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK)

    async def compare(self) -> list[str]:
        """What is stored is what was said last, and the log has each change of status, one after the other."""
        broken = []
        numbers = await self._numbers()
        for speaker in self._stage.speakers:
            said = (speaker.number, speaker.reading)
            if numbers[speaker.uuid] != said:
                broken.append(f"{speaker.uuid}: last state and reading are {numbers[speaker.uuid]}, it said {said}")
            expected = [status_of(number) for number in range(1, speaker.number + 1)]
            found = await self._changes(speaker.uuid)
            if found != list(zip([_FIRST, *expected], expected, strict=False)):
                broken.append(f"{speaker.uuid}: {len(expected)} changes of status were said, the log has {len(found)}")
        return broken

    async def _numbers(self) -> dict[str, tuple[int, int]]:
        async with self._stage.database.statement() as connection:
            rows = await connection.execute(_NUMBERS)
            return {row.uuid: (row.number, row.reading) for row in rows}

    async def _changes(self, uuid: str) -> list[tuple[str, str]]:
        async with self._stage.database.statement() as connection:
            rows = await connection.execute(_CHANGES, {"uuid": uuid})
            return [(row.before, row.after) for row in rows]


_NUMBERS = text(
    """
    SELECT uuid, coalesce(CAST(resources ->> 'n' AS bigint), 0) AS number, coalesce(CAST(x AS bigint), 0) AS reading
    FROM agents WHERE uuid LIKE 'speaker-%'
    """
)
_CHANGES = text(
    """
    SELECT payload ->> 'from' AS before, payload ->> 'to' AS after FROM events
    WHERE type = 'agent.status_changed' AND payload ->> 'agent_uuid' = :uuid AND payload ->> 'from' IS NOT NULL
    ORDER BY id
    """
)
