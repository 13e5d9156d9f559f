"""Events that threads wait for: arm a thread, take the next one, end the waiting."""

from temporalio import activity

from activities.parts import Parts
from missions.mission_files.contracts import DisarmThreads, EventTaken, FileActivity, TakeEvent, ThreadCall
from store import mission_files, thread_events
from store.thread_events import OVER


class Triggers:
    """The activities `arm_thread`, `take_event` and `disarm_threads`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.ARM_THREAD)
    async def arm_thread(self, call: ThreadCall) -> None:
        """From now on what its thread waits for is kept for it."""
        async with self._parts.database.transaction() as connection:
            run = await mission_files.read(connection, call.work_process_id)
            trigger = (await mission_files.outlines(connection, call.work_process_id))[call.number].trigger
            assert trigger is not None, "only event-driven threads are armed"
            source = run.devices[trigger.source]
            await thread_events.arm(connection, call.work_process_id, call.number, source, trigger.event)

    @activity.defn(name=FileActivity.TAKE_EVENT)
    async def take_event(self, call: TakeEvent) -> EventTaken:
        """The oldest event that was not served; a retried call takes the same."""
        async with self._parts.database.transaction() as connection:
            taken = await thread_events.take(connection, call.work_process_id, call.number, call.served)
        if taken is OVER:
            return EventTaken(over=True)
        return EventTaken(event=taken or "")

    @activity.defn(name=FileActivity.DISARM_THREADS)
    async def disarm_threads(self, call: DisarmThreads) -> None:
        """No thread of the mission gets more; what was raised before is still served."""
        async with self._parts.database.statement() as connection:
            await thread_events.disarm(connection, call.work_process_id)
