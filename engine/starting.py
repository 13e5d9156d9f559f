"""How the runs of missions and of queues are started."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from engine.search_attributes import at_queue_start, at_start
from missions.contracts import (
    MISSION_QUEUE,
    WORK_PROCESS,
    MissionQueueStart,
    QueueChanged,
    QueueSignal,
    WorkProcessStart,
)
from missions.mission_files.contracts import MISSION_FILE_RUN, MissionFileStart
from missions.mission_files.platform_contracts import PLATFORM_COMMAND_RUN, PlatformCommandStart
from missions.priorities import temporal_key

RPC_TIMEOUT = timedelta(seconds=5)


async def start_mission(
    client: Client, workflow_id: str, start: WorkProcessStart, *, again: bool = False
) -> str | None:
    """Start a mission's run, unless one is open; returns its run id. Raises WorkflowAlreadyStartedError, RPCError.

    `again`: though there was one. Without it a start that comes twice would run a closed mission a second time.
    """
    reuse = WorkflowIDReusePolicy
    handle = await client.start_workflow(
        _workflow(start),
        start,
        id=workflow_id,
        task_queue=start.task_queues.missions,
        id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=timedelta(seconds=3),
        search_attributes=at_start(start),
        static_summary=_summary(start),
        static_details=_details(start),
        # A server that does not know it yet ignores it.
        priority=Priority(priority_key=temporal_key(start.priority)),
        rpc_timeout=RPC_TIMEOUT,
    )
    return handle.result_run_id


async def run_queue(client: Client, workflow_id: str, start: MissionQueueStart) -> None:
    """Start a queue's run, and signal it in one step: the run before this one may be at its very end."""
    await client.start_workflow(
        MISSION_QUEUE,
        start,
        id=workflow_id,
        task_queue=start.task_queues.missions,
        # A start that comes twice finds an idle queue, and ends at once.
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal=QueueSignal.QUEUE_CHANGED,
        start_signal_args=[QueueChanged(why="it was run, or canceled")],
        task_timeout=timedelta(seconds=3),
        search_attributes=at_queue_start(start),
        static_summary=_short(f"mission queue {start.mission_queue_id}: {start.name}"),
        static_details=f"[mission queue {start.mission_queue_id}]({start.details_url})\n",
        rpc_timeout=RPC_TIMEOUT,
    )


def _workflow(start: WorkProcessStart) -> str:
    if isinstance(start, MissionFileStart):
        return MISSION_FILE_RUN
    return PLATFORM_COMMAND_RUN if isinstance(start, PlatformCommandStart) else WORK_PROCESS


def _summary(start: WorkProcessStart) -> str:
    if isinstance(start, MissionFileStart):
        return _short(f"mission file {start.plan_id} (mission {start.work_process_id})")
    if isinstance(start, PlatformCommandStart):
        return _short(f"{start.command} of platform {start.platform} (mission {start.work_process_id})")
    where = f" in yard {start.yard}" if start.yard else ""
    return _short(f"mission {start.work_process_id}: {start.mission_type}{where}")


def _short(text: str) -> str:
    """One line of at most 200 bytes for the Temporal UI."""
    return text.encode()[:200].decode(errors="ignore")


def _details(start: WorkProcessStart) -> str:
    steps = "\n".join(f"- `{step.step}` ({step.uses})" for step in start.steps) or "- no steps"
    if isinstance(start, MissionFileStart):
        steps = f"- {start.threads} threads, each a run of its own below this one"
    if isinstance(start, PlatformCommandStart):
        steps = f"- {start.command} {start.name}"
    agents = ", ".join(start.agents) or "none"
    return f"[mission {start.work_process_id}]({start.details_url})\n\nAgents: {agents}\n\nSteps:\n{steps}\n"[:20000]
