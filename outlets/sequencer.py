"""Gives committed events their positions in the log, in which all readers follow it."""

from outlets.led_loop import LedLoop
from store.connection import Connection
from store.database import EVENTS_APPENDED, Database
from store.positions import SEQUENCER, give_positions

_BATCH = 1000


class Sequencer(LedLoop):
    """The sequencer; one is at work, any number may stand by."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, SEQUENCER, EVENTS_APPENDED, "the sequencer of events")

    async def _work(self, connection: Connection) -> bool:
        return await give_positions(connection, _BATCH) == _BATCH
