"""A mission queue's run: one mission after the other, until none is left or somebody ends it.

The queue's row holds all that there is to know, and each turn is one activity that looks at it under its lock and does
what comes next. So this workflow only waits: a signal says "look again", may come twice, late or for nothing.
"""

import asyncio
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        MISSION_QUEUE,
        AdvanceMissionQueue,
        CancelMissionQueue,
        MissionQueueStart,
        QueueActivity,
        QueueAdvanced,
        QueueChanged,
        QueueSignal,
    )
    from missions.statuses import QueueStatus

from workflows.acting import act
from workflows.ending import cancel_this_run
from workflows.through_cancels import through_cancels


@workflow.defn(name=MISSION_QUEUE)
class MissionQueue:
    """One run of one queue."""

    @workflow.init
    def __init__(self, start: MissionQueueStart) -> None:
        self._queue_id = start.mission_queue_id
        self._changed = False
        self._native_cancel: str | None = None
        self._cancel_written = False

    @workflow.run
    async def run(self, start: MissionQueueStart) -> str:
        """Returns the queue's last status; a cancelled queue's run ends CANCELED."""
        status = await through_cancels(self._live(), self._natively_cancelled)
        if status == QueueStatus.CANCELED and not self._changed:
            try:
                await cancel_this_run("the queue is canceled", already=self._native_cancel is not None)
            except asyncio.CancelledError:
                if not self._changed:
                    raise
        # Somebody ran the queue again while this run came to its end, and so no other one was started.
        if self._changed or status is None:
            workflow.continue_as_new(start)
        return status

    @workflow.signal(name=QueueSignal.QUEUE_CHANGED)
    def queue_changed(self, changed: QueueChanged) -> None:
        """The queue, or a mission of it, has changed."""
        self._changed = True

    def _natively_cancelled(self, reason: str) -> None:
        self._native_cancel = reason

    async def _live(self) -> str | None:
        """The queue's last status; None: the history has got long, and another run takes over."""
        while True:
            await self._write_native_cancel()
            self._changed = False
            queue = await act(
                QueueActivity.ADVANCE_MISSION_QUEUE,
                AdvanceMissionQueue(mission_queue_id=self._queue_id),
                QueueAdvanced,
                "look at the queue, take its next step",
            )
            workflow.set_current_details(f"**{queue.status}**\n\n{queue.waiting}")
            # A run that was cancelled cannot be cancelled again, so the queue's next run needs another one.
            if queue.over and (self._native_cancel is not None or not self._changed):
                return queue.status
            if workflow.info().is_continue_as_new_suggested() and not self._cancel_unwritten:
                return None
            await self._until_changed(queue)

    async def _until_changed(self, queue: QueueAdvanced) -> None:
        left = None
        if queue.start_at is not None:
            # The clock of who looked may be behind this one: not again and again at once.
            left = max(1.0, datetime.fromisoformat(queue.start_at).timestamp() - workflow.time())
        try:
            await workflow.wait_condition(
                lambda: self._changed or self._cancel_unwritten, timeout=left, timeout_summary=queue.waiting[:200]
            )
        except TimeoutError:
            return  # its time has come

    @property
    def _cancel_unwritten(self) -> bool:
        return self._native_cancel is not None and not self._cancel_written

    async def _write_native_cancel(self) -> None:
        if not self._cancel_unwritten:
            return
        self._cancel_written = True
        await act(
            QueueActivity.CANCEL_MISSION_QUEUE,
            CancelMissionQueue(mission_queue_id=self._queue_id, reason=self._native_cancel or ""),
            None,
            "cancel the queue, as its run was",
        )
