"""A loop that works off what others committed: at once when it is notified, and after a while unasked."""

from abc import abstractmethod

from fleet.bus import UnknownOutcome
from store.database import Database
from store.loops import Loop
from store.notifications import listening

_LOOK_AGAIN = 2.0
"""Seconds after which it looks unasked: a notification may be missed, and who was at work may die."""


class NotifiedLoop(Loop):
    """Wakes on a channel of the database; what it could not do waits."""

    def __init__(self, database: Database, channel: str, what: str) -> None:
        super().__init__(what)
        self._database = database
        self._channel = channel

    @abstractmethod
    async def _work(self) -> bool:
        """Do a part of what is due; returns whether there may be more to do at once."""

    def _is_away(self, error: Exception) -> bool:
        return super()._is_away(error) or isinstance(error, UnknownOutcome)

    async def _turn(self) -> None:
        async with listening(self._database, self._channel) as listener:
            while True:
                while await self._work():
                    pass
                await listener.wait(_LOOK_AGAIN)
                await listener.stay()
