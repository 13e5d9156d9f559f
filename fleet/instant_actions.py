"""Sends the commands that clients wrote for agents, oldest first, soon after they were committed.

At least once: if the outcome is unknown, or we die before it is written, the command is sent again.
"""

from datetime import timedelta

from fleet.bus import CONFIRM_TIMEOUT, READY_TIMEOUT
from fleet.downlink import Delivery, Downlink
from fleet.notified_loop import NotifiedLoop
from missions.statuses import InstantActionChannel
from store import instant_actions
from store.database import Database
from store.instant_actions import ToSend
from store.wakeups import Waker

_LEASE = timedelta(seconds=READY_TIMEOUT + CONFIRM_TIMEOUT + 2)
"""Longer than the broker may take: a claim that is older is one of a sender that died."""


class InstantActionSender(NotifiedLoop):
    """A loop of the worker; any number may run."""

    def __init__(self, database: Database, downlink: Downlink, waker: Waker) -> None:
        super().__init__(database, instant_actions.CHANNEL, "instant actions")
        self._waker = waker
        self._downlink = downlink

    async def _work(self) -> bool:
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
