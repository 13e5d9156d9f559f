"""A loop that one process at a time runs: at once when it is notified, and after a while unasked."""

from abc import abstractmethod

from store.connection import Connection
from store.database import Database
from store.leadership import Lock, leading
from store.loops import Loop

_LOOK_AGAIN = 1.0
"""Seconds after which it looks unasked: a notification may be missed."""


class LedLoop(Loop):
    """Wakes on a channel of the database; what it could not do waits, perhaps for another process."""

    def __init__(
        self,
        database: Database,
        lock: Lock,
        channel: str,
        what: str,
        *,
        look_again: float = _LOOK_AGAIN,
        longest_pause: float = 0.0,
        durable: bool = True,
    ) -> None:
        """`longest_pause`: seconds that `_work` may do nothing with its connection."""
        super().__init__(what)
        self._database = database
        self._lock = lock
        self._channel = channel
        self._look_again = look_again
        self._silence = max(look_again, longest_pause)
        self._durable = durable

    async def _prepare(self, connection: Connection) -> None:
        """Called when this process begins to lead; most have nothing to prepare."""

    @abstractmethod
    async def _work(self, connection: Connection) -> bool:
        """Do a part of what is due, on the leader's connection; returns whether there may be more to do at once."""

    async def _turn(self) -> None:
        async with leading(
            self._database, self._lock, self._channel, durable=self._durable, silence=self._silence
        ) as leader:
            await self._prepare(leader.connection)
            while True:
                while await self._work(leader.connection):
                    pass
                await leader.wait(self._look_again)
