"""Advance a mission queue: start its next mission, or end its run. All it needs to know is in its row."""

from temporalio import activity

from activities.activity_types import known_activity_type
from activities.parts import Parts
from activities.registry import activity_types
from missions.contracts import AdvanceMissionQueue, CancelMissionQueue, QueueActivity, QueueAdvanced
from missions.errors import Conflict, NotFound
from missions.events import EventSource
from missions.principals import ENGINE_OPERATOR
from store import mission_queues
from store.mission_queue_turns import Turn


class QueueTurns:
    """The activities `advance_mission_queue` and `cancel_mission_queue`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=QueueActivity.ADVANCE_MISSION_QUEUE)
    async def advance_mission_queue(self, call: AdvanceMissionQueue) -> QueueAdvanced:
        """Take turns until there is something to wait for, or the queue is idle. Idempotent: the row decides."""
        advanced = None
        while advanced is None:
            async with self._parts.database.transaction() as connection:
                turn = Turn(
                    connection,
                    self._parts.settings,
                    lambda step, timeout: known_activity_type(step, activity_types()).preset(step, timeout),
                )
                advanced = await turn.take(call.mission_queue_id)
            await self._parts.waker.send(turn.wakeups)
        return advanced

    @activity.defn(name=QueueActivity.CANCEL_MISSION_QUEUE)
    async def cancel_mission_queue(self, call: CancelMissionQueue) -> None:
        """Cancel the queue for somebody who cancelled its run in the engine; nothing to do if it is idle by now."""
        try:
            async with self._parts.database.transaction() as connection:
                wakeups = await mission_queues.cancel(
                    connection,
                    await mission_queues.locked(connection, call.mission_queue_id),
                    principal=ENGINE_OPERATOR,
                    reason=call.reason,
                    source=EventSource.MISSION_WORKER,
                    settings=self._parts.settings,
                )
        except (Conflict, NotFound):
            return
        await self._parts.waker.send(wakeups)
