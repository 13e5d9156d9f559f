"""What the live stream of one mission sends: its state, its events since then, and an end."""

import asyncio
import json
from collections.abc import AsyncIterator

from api.event_stream import block, reset
from api.live_log import Entry, LiveLog, Reader
from missions.errors import Gone, PartUnavailable
from missions.events import EventType
from missions.transitions import WORK_PROCESS_ENDED
from store import event_history
from store.database import Database
from store.event_history import MissionTip

_PAUSE = 1.0


class MissionStream:
    """The blocks of one mission; `state`: its first block, if the reader has none yet."""

    def __init__(self, database: Database, log: LiveLog, mission_id: int, tip: MissionTip, state: str | None) -> None:
        self._database, self._log, self._mission = database, log, mission_id
        self._tip, self._state = tip, state

    async def blocks(self, reader: Reader) -> AsyncIterator[bytes]:
        """Each part of the stream; ends after what the mission wrote up to its end, or sooner if that was archived."""
        has = 0  # `mission_sequence` of the last event that the reader knows
        if self._state is not None:
            yield block("work_process", self._state, reader.position)
            has = self._tip.count
        while not self._is_complete(reader, has):
            try:
                found = await self._log.following(reader)
            except Gone as gone:
                yield reset(gone)
                return
            # Those that had no position yet when the state was read are in it.
            new = [each for each in found if (each.event.mission_sequence or 0) > has]
            if new:
                yield b"".join([each.block for each in new])
                has = new[-1].event.mission_sequence or 0
            if any(_ends(each) for each in new):
                await self._look()
        yield block("stream.end", json.dumps({"status": self._tip.status}), reader.position)

    def _is_complete(self, reader: Reader, has: int) -> bool:
        tip = self._tip
        ended = tip.status in WORK_PROCESS_ENDED
        return ended and (has >= tip.count or (tip.position is not None and reader.position >= tip.position))

    async def _look(self) -> None:
        """How far the mission's events go now that it has ended."""
        while True:
            try:
                async with self._database.statement() as connection:
                    self._tip = await event_history.mission_tip(connection, self._mission)
            except PartUnavailable:
                await asyncio.sleep(_PAUSE)
            else:
                return


def _ends(each: Entry) -> bool:
    event = each.event
    return event.type == EventType.WORK_PROCESS_STATUS_CHANGED and event.payload["to"] in WORK_PROCESS_ENDED
