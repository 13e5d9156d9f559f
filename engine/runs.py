"""The runs that the engine has: which are open, and what became of one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

_PAGE = 1000
_TIMEOUT = timedelta(seconds=10)
_OPEN = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


@dataclass(frozen=True)
class Run:
    """The newest run of a workflow id. `cancelled`: somebody cancelled it natively; `closed_at`: None while open."""

    status: str
    cancelled: bool
    closed_at: datetime | None


class Runs:
    """Asks Temporal; raises RPCError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, prefixes: Collection[str]) -> set[str]:
        """The ids of the open runs whose ids begin so, as the list of runs has them: it is some time behind."""
        ours = " OR ".join(f'WorkflowId STARTS_WITH "{prefix}"' for prefix in prefixes)
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, page_size=_PAGE, query=f'ExecutionStatus = "Running" AND ({ours})'
        )
        found: set[str] = set()
        while True:
            page = await self._client.workflow_service.list_workflow_executions(request, timeout=_TIMEOUT, retry=True)
            found.update(one.execution.workflow_id for one in page.executions)
            if not page.next_page_token:
                return found
            request.next_page_token = page.next_page_token

    async def look(self, workflow_id: str) -> Run | None:
        """What became of a workflow's newest run; None: the engine knows none of this id."""
        try:
            described = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        info = described.raw_description.workflow_execution_info
        return Run(
            status=WorkflowExecutionStatus.Name(info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_").lower(),
            cancelled=described.raw_description.workflow_extended_info.cancel_requested,
            closed_at=None if info.status == _OPEN else info.close_time.ToDatetime(tzinfo=UTC),
        )

    async def last_words(self, workflow_id: str) -> str:
        """The reason that whoever terminated the newest run gave, if any."""
        history = await self._client.get_workflow_handle(workflow_id).fetch_history(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, rpc_timeout=_TIMEOUT
        )
        return history.events[-1].workflow_execution_terminated_event_attributes.reason if history.events else ""

    async def cancel(self, workflow_id: str, reason: str) -> None:
        """Cancel an open run natively."""
        await self._client.get_workflow_handle(workflow_id).cancel(reason=reason, rpc_timeout=_TIMEOUT)

    async def terminate(self, workflow_id: str, reason: str) -> bool:
        """End a run at once; False: none was open."""
        try:
            await self._client.get_workflow_handle(workflow_id).terminate(reason=reason, rpc_timeout=_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True
