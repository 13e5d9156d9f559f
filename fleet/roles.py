"""The intake as one role of a worker: connections, topology, accounts and both queues, started and stopped together."""

import asyncio

from fleet.account_rights import AccountRights
from fleet.accounts import Accounts
from fleet.batches import BatchConsumer
from fleet.bus import Bus
from fleet.checkin import CheckIns
from fleet.data_requests import DataRequests
from fleet.dead_letters import DeadLetters
from fleet.downlink import Downlink
from fleet.intake import OrderedIntake
from fleet.mission_requests import MissionRequests
from fleet.moved_lines import MovedLines, RefreshLines
from fleet.ready_board import ReadyBoard
from fleet.sensors import BATCH_SIZE, FLUSH_INTERVAL, SensorIntake
from fleet.side_by_side import SideBySideConsumer
from fleet.signing import Signer
from fleet.topology import DATA_REQUEST_QUEUE, LOSSY_QUEUE, ORDERED_QUEUE, YARD_QUEUE
from fleet.yard_visualization import YardVisualization
from settings import Settings
from store.database import Database
from store.waiting_line import refresh_lines as refresh_waiting_lines
from store.wakeups import Waker
from store.work_processes import ResolvePreset

# What an agent says in one go (it runs an assignment, it has done it) becomes one batch.
_BURST = 0.003

DATA_REQUESTS_AT_ONCE = 3
"""Answered side by side; each has a connection to the database."""


class Intake:
    """Takes in what agents say. Several may run: one works, the others wait for its end (single active consumer)."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        waker: Waker,
        *,
        resolve_preset: ResolvePreset,
        refresh_lines: RefreshLines = refresh_waiting_lines,
        ready_board: ReadyBoard | None = None,
    ) -> None:
        # Sensors have a connection of their own, so that their flood never stands before a state.
        self._bus = Bus(settings, "intake")
        self._sensor_bus = Bus(settings, "sensors")
        self.accounts = Accounts(settings)
        signer = Signer.load(settings)
        self._check_ins = CheckIns(settings, database, self._bus, self.accounts, signer)
        ordered = OrderedIntake(
            database,
            waker,
            self._check_ins,
            MissionRequests(settings, database, waker, self._bus, signer, resolve_preset),
            DeadLetters(self._bus, database),
            Downlink(settings, self._bus, signer),
            MovedLines(database, waker, refresh_lines),
            ready_board or ReadyBoard(),
        )
        self._account_rights = AccountRights(settings, database, self.accounts)
        sensors = SensorIntake(
            settings,
            database,
            DeadLetters(self._sensor_bus, database),
            Downlink(settings, self._sensor_bus, signer),
            MovedLines(database, waker, refresh_lines),
        )
        # Their own few connections: a slow question must not keep one from the agents' reports.
        self._asked_database = Database(
            settings, pool_size=DATA_REQUESTS_AT_ONCE, statement_timeout=settings.data_request_timeout
        )
        asked = DataRequests(
            settings, self._asked_database, self._sensor_bus, signer, DeadLetters(self._sensor_bus, database)
        )
        yards = YardVisualization(
            settings,
            database,
            DeadLetters(self._sensor_bus, database),
            MovedLines(database, waker, refresh_lines),
        )
        self._consumers: list[BatchConsumer | SideBySideConsumer] = [
            BatchConsumer(self._sensor_bus, YARD_QUEUE, yards.handle, batch_size=BATCH_SIZE, gather=FLUSH_INTERVAL),
            SideBySideConsumer(
                self._sensor_bus,
                DATA_REQUEST_QUEUE,
                asked.handle,
                refuse=asked.refuse,
                dropped=asked.dropped,
                at_once=DATA_REQUESTS_AT_ONCE,
            ),
            BatchConsumer(
                self._bus, ORDERED_QUEUE, ordered.handle, batch_size=settings.intake_batch_size, gather=_BURST
            ),
            BatchConsumer(self._sensor_bus, LOSSY_QUEUE, sensors.handle, batch_size=BATCH_SIZE, gather=FLUSH_INTERVAL),
        ]

    async def start(self) -> None:
        """Connect, prepare the broker and begin to consume; raises PartUnavailable or bus.AgentsRefused.

        If that fails nothing is left open: a consumer of ours that nobody serves would keep the queue from others.
        """
        try:
            await self._bus.connect()
            await self._sensor_bus.connect()
            await self.accounts.prepare()
            for consumer in self._consumers:
                await consumer.start()
            self._account_rights.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish the batches in hand, acknowledge them, send the answers that are on their way, and close."""
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers))
        await self._check_ins.finish()
        await self._account_rights.stop()
        await self._bus.close()
        await self._sensor_bus.close()
        await self._asked_database.close()
        await self.accounts.close()
