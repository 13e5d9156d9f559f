"""Take over from the threads of a mission file whose runs were ended from outside, with the one that started them."""

from temporalio import activity

from activities.parts import Parts
from missions.mission_files.contracts import FileActivity, StartedThread, TakeOverThreads, ThreadsTakenOver
from missions.mission_files.thread_status import ThreadStatus
from store import commands, events, mission_files, mission_threads, thread_events
from store.work_process_status import lock


class ThreadSuccessor:
    """The activity `take_over_threads`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.TAKE_OVER_THREADS)
    async def take_over_threads(self, call: TakeOverThreads) -> ThreadsTakenOver:
        """From now on devices' reports on the threads' commands wake this run, and no try of theirs sends one.

        Idempotent.
        """
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            started = await mission_threads.any_started(connection, work_process.id)
            if work_process.ended or not started:
                return ThreadsTakenOver()
            run = await mission_files.read(connection, work_process.id)
            stopped = await mission_threads.end_all(connection, work_process.id, ThreadStatus.STOPPED)
            await thread_events.forget(connection, work_process.id, *stopped)
            told = [run.lifecycle.thread_stopped(number) for number in stopped]
            await events.append_for_mission(connection, work_process.id, told)
            threads = await mission_files.outlines(connection, work_process.id)
            under_way = await commands.readdress(connection, work_process.id, activity.info().workflow_id or "")
        return ThreadsTakenOver(
            threads=[StartedThread.of(thread, run.devices) for thread in threads],
            under_way=under_way,
        )
