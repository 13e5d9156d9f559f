"""Begin the abort of a mission file's run: `canceling`, with its event, if nobody has written it yet."""

from temporalio import activity

from activities.parts import Parts
from missions.contracts import CancelRequest
from missions.events import EventSource, utc_now
from missions.mission_files.contracts import BeginAbort, FileActivity
from missions.principals import ENGINE_OPERATOR, MUSTER
from missions.statuses import WorkProcessStatus
from store import mission_files
from store.work_process_status import change, lock


class AbortBeginner:
    """The activity `begin_abort`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.BEGIN_ABORT)
    async def begin_abort(self, call: BeginAbort) -> None:
        """Write it for a thread's policy, or as the engine was asked; the API writes it before it asks us."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded or work_process.ended:
                return
            asked = call.cancel or CancelRequest()
            by = MUSTER if call.reason else ENGINE_OPERATOR.model_copy(update={"id": asked.requested_by})
            source = EventSource.MISSION_WORKER
            await change(
                connection,
                work_process,
                WorkProcessStatus.CANCELING,
                principal=by,
                source=source,
                transition=call.transition,
                values={
                    "cancel_requested_at": utc_now(),
                    "cancel_reason": call.reason or asked.reason,
                    "cancel_requested_by": by.model_dump(mode="json"),
                    "halt": call.halt,
                },
                also=await mission_files.abort_begins(connection, work_process, source=source, principal=by),
            )
