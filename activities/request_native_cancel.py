"""Let the engine cancel the mission's own run: only a native cancel makes a run end CANCELED."""

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Activity, RequestNativeCancel


class NativeCancel:
    """The activity `request_native_cancel`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.REQUEST_NATIVE_CANCEL)
    async def request_native_cancel(self, call: RequestNativeCancel) -> None:
        """Cancel the run that called this activity."""
        info = activity.info()
        assert info.workflow_id is not None
        handle = self._parts.temporal.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        await handle.cancel(reason=call.reason)
