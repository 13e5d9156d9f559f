"""Sends the commands that clients wrote for agents, oldest first, soon after they were committed.

At least once: if the outcome is unknown, or we die before it is written, the command is sent again.
"""

import asyncio
import contextlib
import logging
from datetime import timedelta

from fleet.bus import CONFIRM_TIMEOUT, READY_TIMEOUT, UnknownOutcome
from fleet.downlink import Delivery, Downlink
from missions.errors import PartUnavailable
from missions.statuses import InstantActionChannel
from store import instant_actions
from store.database import Database
from store.instant_actions import ToSend
from store.notifications import listening
from store.wakeups import Waker

log = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0
"""Seconds after which it looks unasked: a notification may be missed, and a sender die."""
_PAUSE = 1.0
_LEASE = timedelta(seconds=READY_TIMEOUT + CONFIRM_TIMEOUT + 2)
"""Longer than the broker may take: a claim that is older is one of a sender that died."""


class InstantActionSender:
    """A loop of the worker; any number may run."""

    def __init__(self, database: Database, downlink: Downlink, waker: Waker) -> None:
        self._database = database
        self._waker = waker
        self._downlink = downlink
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name="instant actions")

    async def stop(self) -> None:
        """Stop it; a command in hand may be sent again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                async with listening(self._database, instant_actions.CHANNEL) as listener:
                    while True:
                        while await self._send_next():
                            pass
                        await listener.wait(_LOOK_AGAIN)
            except (PartUnavailable, UnknownOutcome) as error:
                log.warning("instant actions wait: %s", error)
            except Exception:
                # A loop that ended would stay unnoticed until somebody misses its work.
                log.exception("sending instant actions failed; it goes on")
            await asyncio.sleep(_PAUSE)

    async def _send_next(self) -> bool:
        async with self._database.transaction() as connection:
            action = await instant_actions.claim_next(connection, _LEASE)
        if action is None:
            return False
        try:
            delivery = await self._deliver(action)
        except BaseException:
            # Also when we are stopped: the next sender need not wait for the lease.
            async with self._database.transaction() as connection:
                await instant_actions.give_back(connection, action.id)
            raise
        async with self._database.transaction() as connection:
            wakeups = await instant_actions.sent(connection, action.id, listening=delivery is Delivery.DELIVERED)
        await self._waker.send(wakeups)
        return True

    async def _deliver(self, action: ToSend) -> Delivery:
        if action.channel is InstantActionChannel.STREAM:
            return await self._downlink.stream(action.agent, action.command)
        return await self._downlink.custom_action(action.agent, action.command, action_id=action.id)
