"""Webhooks: events of the log become deliveries, and deliveries become signed requests. In nobody's way.

One process at a time makes deliveries and one attempts them; the next one takes over when it dies, and what was on its
way then is sent again with the same id. A webhook that hangs has requests of its own only, so no other one waits.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from missions.webhook_schedule import DeliveryState, delay_after, hold_after
from outlets.led_loop import LedLoop
from outlets.webhook_sender import MAX_BODY, Resolve, WebhookSender, body_of, resolve, sending
from settings import Settings
from store import webhook_attempts as attempts
from store import webhook_deliveries as deliveries
from store.connection import Connection
from store.database import Database
from store.leadership import Leader, leading
from store.loops import Loop
from store.positions import POSITIONED
from store.webhook_attempts import DELIVERER, Due, Result
from store.webhook_fan_out import FAN_OUT, behind, fan_out

log = logging.getLogger(__name__)

_BATCH = 1000
_CLEAN_EACH = 60.0
_CLEAN_AGAIN = 0.5  # while there is more: what is to be sent comes first
_CLEAN_BATCH = 5000
_LOOK_AGAIN = 1.0
_NONE_ENABLED = 60.0
"""Seconds: who enables one says so."""
_TOGETHER = 0.25
"""Seconds between two rounds: what lands in between is written together."""
_ARCHIVED = "the event is archived, and cannot be sent any more"


@asynccontextmanager
async def delivering_webhooks(
    settings: Settings, database: Database, resolve: Resolve = resolve
) -> AsyncIterator[None]:
    """Deliver events to webhooks until the end."""
    maker, deliverer = WebhookFanOut(settings, database), WebhookDeliverer(settings, database, resolve)
    maker.start()
    deliverer.start()
    try:
        yield
    finally:
        await deliverer.stop()
        await maker.stop()


class WebhookFanOut(LedLoop):
    """Makes a delivery of each event that a webhook wants, and removes old ones."""

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(database, FAN_OUT, POSITIONED, "the fan-out to webhooks", durable=False)
        self._keep = settings.webhook_keep
        self._clean_at = self._look_at = 0.0

    async def _work(self, connection: Connection) -> bool:
        await asyncio.sleep(self._look_at - time.monotonic())
        found = await behind(connection)
        more = found.any_behind and await fan_out(connection, _BATCH)
        self._look_at = time.monotonic() + (0 if more else _TOGETHER if found.any_enabled else _LOOK_AGAIN)
        if time.monotonic() >= self._clean_at:
            rest = await deliveries.remove_old(connection, self._keep, _CLEAN_BATCH)
            self._clean_at = time.monotonic() + (_CLEAN_AGAIN if rest else _CLEAN_EACH)
        return more


class WebhookDeliverer(Loop):
    """Attempts what is due, and writes what came of it; what is on its way at a stop is sent again."""

    def __init__(self, settings: Settings, database: Database, resolve: Resolve = resolve) -> None:
        super().__init__("the deliverer of webhooks")
        self._settings, self._database, self._resolve = settings, database, resolve

    async def _turn(self) -> None:
        async with (
            leading(self._database, DELIVERER, deliveries.DELIVERIES, durable=False, silence=_NONE_ENABLED) as leader,
            sending(self._settings, self._resolve) as sender,
        ):
            await _Flights(self._settings, self._database, leader, sender).run()


class _Flights:
    """The requests of one leader. In rounds: what has landed is written, and what is due begins."""

    def __init__(self, settings: Settings, database: Database, leader: Leader, sender: WebhookSender) -> None:
        self._settings, self._database, self._leader, self._sender = settings, database, leader, sender
        self._flying: dict[int, tuple[Due, asyncio.Task[Result]]] = {}
        self._round_at = 0.0

    async def run(self) -> None:
        """Until the leader's connection is lost; then nothing more is sent."""
        try:
            while True:
                self._round_at = time.monotonic()
                await self._store()
                await self._leader.wait(await self._begin())
                while not self._some_have_all_landed() and (left := self._round_at + _TOGETHER - time.monotonic()) > 0:
                    await self._leader.wait(left)
        finally:
            tasks = [task for _, task in self._flying.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # before their connections are closed

    def _some_have_all_landed(self) -> bool:
        """Whether a webhook has all its requests back, so that it would wait for the next round."""
        landed = Counter(due.webhook_id for due, task in self._flying.values() if task.done())
        return max(landed.values(), default=0) >= self._settings.webhook_concurrency

    async def _store(self) -> None:
        landed = {id for id, (_, task) in self._flying.items() if task.done()}
        if not landed:
            return
        results = [self._flying[id][1].result() for id in landed]
        connection = self._leader.connection
        async with connection.begin_nested():
            disabled = await attempts.store_results(connection, results, self._settings.webhook_disable_after)
        for line in disabled:
            log.warning("%s", line)
        for id in landed:
            del self._flying[id]

    async def _begin(self) -> float:
        """Begin what is due; returns seconds until there may be more, if nobody says so before."""
        flying = [due for due, _ in self._flying.values()]
        found = await attempts.look(self._leader.connection, flying, self._settings.webhook_concurrency)
        for due in found.due:
            task = asyncio.create_task(self._attempt(due), name=f"delivery {due.id}")
            task.add_done_callback(self._leader.hear)
            self._flying[due.id] = (due, task)
        if not found.any_enabled:
            return _NONE_ENABLED
        return min(_LOOK_AGAIN, found.next_due or _LOOK_AGAIN)

    async def _attempt(self, due: Due) -> Result:
        if due.event is None:
            return _parked(due, _ARCHIVED)
        size = len(body_of(due.event))
        if size > MAX_BODY:
            return _parked(due, f"the event has {size} bytes, and at most {MAX_BODY} are sent")
        outcome = await self._sender.send(due.url, due.keys, due.event)
        state, delay = DeliveryState.DELIVERED, None
        if not outcome.succeeded:
            delay = delay_after(outcome, due.tries + 1, self._settings.webhook_schedule, random.random())
            # One that is gone is disabled, and the event waits for it.
            waits = delay is not None or outcome.gone
            state = DeliveryState.PENDING if waits else DeliveryState.PARKED
        hold = hold_after(outcome)
        return Result(due.id, due.webhook_id, due.work_process_id, state, outcome, outcome.error, delay or 0, hold)


def _parked(due: Due, why: str) -> Result:
    return Result(due.id, due.webhook_id, due.work_process_id, DeliveryState.PARKED, None, why)
