"""Moves old events from the log to files: whole days, oldest first, a few at a time."""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

from missions.errors import MusterError
from missions.events import utc_now
from outlets import event_files
from outlets.led_loop import LedLoop
from outlets.pauses import pause_before
from settings import Settings
from store import event_archive
from store.connection import Connection
from store.database import Database
from store.leadership import Lock

ARCHIVER = Lock(0x6D757374 + 10)
_UNUSED = "muster_events_archiver"  # nobody tells it
_LOOK_AGAIN = 60.0
_IN_A_FILE = 5000
# So that writers of events find the disk idle in between.
_PAUSE = 0.05

logger = logging.getLogger(__name__)


class FolderUnusable(MusterError):
    """The files cannot be written: no right to, no room left."""


class Archiver(LedLoop):
    """The archiver; one is at work, any number may stand by. Does nothing where events are kept for ever."""

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(database, ARCHIVER, _UNUSED, "the archiver of events", look_again=_LOOK_AGAIN)
        self._days = settings.event_retention_days
        self._folder = settings.event_archive
        self._keep = settings.webhook_keep
        self._failures = 0  # in a row

    async def _work(self, connection: Connection) -> bool:
        try:
            more = bool(self._days) and await archive(
                connection, self._folder, _whole_days(utc_now(), self._days), keep_for_disabled=self._keep
            )
        except FolderUnusable as error:
            await self._wait(connection, str(error))
            return True
        await event_archive.gets_on(connection)
        self._failures = 0
        return more

    async def _wait(self, connection: Connection, error: str) -> None:
        logger.warning("%s waits: %s", self._what, error)
        await event_archive.stuck(connection, error)
        await asyncio.sleep(pause_before(self._failures, first=1, longest=_LOOK_AGAIN))
        self._failures += 1


async def archive(connection: Connection, folder: Path, before: datetime, *, keep_for_disabled: float) -> bool:
    """Archive a file's worth of the oldest events; returns whether there may be more.

    The file is on the disk before they are removed: after a crash in between it is written again, under its name.
    `keep_for_disabled`: seconds for which a disabled webhook still needs its events. Raises FolderUnusable.
    """
    if not await event_archive.any_before(connection, before):
        return False
    events = await event_archive.oldest(connection, before, _IN_A_FILE, keep_for_disabled=keep_for_disabled)
    if not events:
        return False
    try:
        path = await asyncio.to_thread(event_files.write, folder, events)
    except OSError as error:
        raise FolderUnusable(f"events cannot be archived in {folder}: {error}") from error
    last = events[-1].sequence
    assert last is not None
    while await event_archive.remove(connection, last):  # noqa: ASYNC110  # it waits for nothing, it spares the disk
        await asyncio.sleep(_PAUSE)
    logger.info("archived %s events: %s", len(events), path)
    return True


def _whole_days(now: datetime, days: int) -> datetime:
    """The midnight (UTC) before which events are old: one file a day, if they are few."""
    return (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
