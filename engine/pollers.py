"""Who asks Temporal for tasks of our queues, and how many wait there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client
from temporalio.service import RPCError

from missions.contracts import TaskQueues
from missions.errors import PartUnavailable

_TIMEOUT = timedelta(seconds=3)


class Kind(StrEnum):
    """What is polled for: decisions of missions, their own activities, the steps of recipes."""

    WORKFLOWS = "workflows"
    ACTIVITIES = "activities"
    STEPS = "steps"


@dataclass(frozen=True)
class Poller:
    """A process that asked for tasks in the last minutes."""

    identity: str
    polled_at: datetime


@dataclass(frozen=True)
class QueuePollers:
    """One kind of task: `waiting` tasks that nobody took yet, `oldest` for so many seconds."""

    kind: Kind
    task_queue: str
    pollers: Sequence[Poller]
    waiting: int
    oldest: float


class Pollers:
    """Asks Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def look(self, queues: TaskQueues) -> list[QueuePollers]:
        """Who polls which kind of task; raises PartUnavailable."""
        kinds = (
            (Kind.WORKFLOWS, queues.missions, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
            (Kind.ACTIVITIES, queues.missions, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
            (Kind.STEPS, queues.steps, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
        )
        try:
            answers = await asyncio.gather(*(self._describe(name, kind) for _, name, kind in kinds))
        except (RPCError, RuntimeError) as error:  # RuntimeError: the lazy client's first connection
            raise PartUnavailable("Temporal", str(error)) from error
        return [_of(kind, name, answer) for (kind, name, _), answer in zip(kinds, answers, strict=True)]

    async def _describe(self, name: str, kind: TaskQueueType.ValueType) -> DescribeTaskQueueResponse:
        return await self._client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._client.namespace,
                task_queue=TaskQueue(name=name),
                task_queue_type=kind,
                report_stats=True,
            ),
            timeout=_TIMEOUT,
        )


def _of(kind: Kind, name: str, answer: DescribeTaskQueueResponse) -> QueuePollers:
    return QueuePollers(
        kind,
        name,
        [Poller(one.identity, one.last_access_time.ToDatetime(tzinfo=UTC)) for one in answer.pollers],
        answer.stats.approximate_backlog_count,
        answer.stats.approximate_backlog_age.ToTimedelta().total_seconds(),
    )
