"""Delivers wake-ups to Temporal: starts, signals and cancels workflows.

`send` returns at once and never raises: what cannot be delivered now stays in its table, and the relay sends it again.
So neither the API nor the intake of agents' messages ever waits for Temporal.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from engine.client import connect
from engine.starting import RPC_TIMEOUT, run_queue, start_mission
from missions.contracts import MissionQueueStart, WorkProcessStart
from missions.errors import PartUnavailable
from missions.mission_files.contracts import MissionFileStart
from missions.mission_files.platform_contracts import PlatformCommandStart
from settings import Settings
from store import wakeups
from store.database import Database
from store.wakeups import Wakeup, WakeupKind

logger = logging.getLogger(__name__)

# Shorter than the relay's patience with rows that are left over.
_FORGET_AFTER = 0.2
# The run is over or was never there, or refuses signals past its limit: another try cannot change that. A start is
# tried for ever: an accepted mission may not be lost because the engine was not set up yet.
_STARTS = frozenset({WakeupKind.START, WakeupKind.START_FILE, WakeupKind.START_COMMAND, WakeupKind.RUN_QUEUE})
_PERMANENT = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION})


class EngineWaker:
    """The real `store.wakeups.Waker`."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: list[int] = []
        self._forgetting: asyncio.Task[None] | None = None

    async def send(self, batch: Sequence[Wakeup]) -> None:
        """Deliver these in the background."""
        if batch:
            task = asyncio.create_task(self._deliver_quietly(list(batch)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is on its way."""
        if self._tasks:
            await asyncio.gather(*self._tasks)
        if self._forgetting is not None:
            self._forgetting.cancel()
        await self._forget()

    async def _deliver_quietly(self, batch: Sequence[Wakeup]) -> None:
        try:
            await self.deliver(batch)
        except PartUnavailable as error:
            logger.warning("wake-ups stay for the relay: %s", error)

    async def deliver(self, batch: Sequence[Wakeup]) -> int:
        """Deliver these and forget what was delivered; returns how many were settled."""
        outcomes = await asyncio.gather(*(self._deliver_one(wakeup) for wakeup in batch))
        self._settled += [wakeup.id for wakeup, outcome in zip(batch, outcomes, strict=True) if outcome.delivered]
        failed = [(wakeup.id, outcome.error) for wakeup, outcome in zip(batch, outcomes, strict=True) if outcome.error]
        if failed:
            async with self._database.statement() as connection:
                for wakeup_id, error in failed:
                    await wakeups.undeliverable(connection, wakeup_id, error)
        done = sum(outcome.delivered for outcome in outcomes) + len(failed)
        if self._settled and (self._forgetting is None or self._forgetting.done()):
            self._forgetting = asyncio.create_task(self._forget_soon())
        return done

    async def _forget_soon(self) -> None:
        """Delete delivered rows together: one that is delivered twice does no harm."""
        while self._settled:
            await asyncio.sleep(_FORGET_AFTER)
            await self._forget()

    async def _forget(self) -> None:
        settled, self._settled = self._settled, []
        if not settled:
            return
        try:
            async with self._database.statement() as connection:
                await wakeups.delivered(connection, settled)
        except PartUnavailable as error:
            logger.warning("delivered wake-ups stay, and are delivered again: %s", error)

    async def _deliver_one(self, wakeup: Wakeup) -> "_Outcome":
        try:
            if wakeup.kind is WakeupKind.START:
                await self._start(wakeup, WorkProcessStart)
                return _Outcome(delivered=True)
            if wakeup.kind is WakeupKind.START_FILE:
                await self._start(wakeup, MissionFileStart)
                return _Outcome(delivered=True)
            if wakeup.kind is WakeupKind.START_COMMAND:
                await self._start(wakeup, PlatformCommandStart)
                return _Outcome(delivered=True)
            if wakeup.kind is WakeupKind.RUN_QUEUE:
                await run_queue(self._client, wakeup.workflow_id, MissionQueueStart.model_validate(wakeup.payload))
                return _Outcome(delivered=True)
            handle = self._client.get_workflow_handle(wakeup.workflow_id)
            if wakeup.kind is WakeupKind.SIGNAL:
                assert wakeup.signal is not None
                await handle.signal(wakeup.signal, wakeup.payload, rpc_timeout=RPC_TIMEOUT)
            else:
                await handle.cancel(reason=wakeup.payload.get("reason", ""), rpc_timeout=RPC_TIMEOUT)
        except WorkflowAlreadyStartedError:
            return _Outcome(delivered=True)
        except RPCError as error:
            if wakeup.kind not in _STARTS and error.status in _PERMANENT:
                return _Outcome(error=f"{error.status.name}: {error.message}")
            logger.warning("wake-up %s for %s not delivered: %s", wakeup.id, wakeup.workflow_id, error.message)
            return _Outcome()
        except (OSError, RuntimeError) as error:  # the lazy client's first connection
            logger.warning("wake-up %s for %s not delivered: %s", wakeup.id, wakeup.workflow_id, error)
            return _Outcome()
        except Exception as error:
            # One that cannot be read may not keep the others from being delivered.
            logger.exception("wake-up %s for %s can never be delivered", wakeup.id, wakeup.workflow_id)
            return _Outcome(error=repr(error))
        return _Outcome(delivered=True)

    async def _start(self, wakeup: Wakeup, contract: type[WorkProcessStart]) -> None:
        await start_mission(self._client, wakeup.workflow_id, contract.model_validate(wakeup.payload))


@dataclass(frozen=True)
class _Outcome:
    delivered: bool = False
    error: str = ""


async def connect_waker(settings: Settings, database: Database) -> EngineWaker:
    """A waker whose client connects at its first delivery, so that Temporal may be down at the start."""
    return EngineWaker(await connect(settings, lazy=True), database)
