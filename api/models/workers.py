"""The processes that run the missions, as the API shows them."""

from collections.abc import Sequence

from pydantic import Field

from api.models.base import Moment, Resource
from engine.pollers import QueuePollers
from store.role_heartbeats import WorkerProcess


class Worker(Resource):
    """One worker process. `lost`: it did not stop, and has said nothing for 15 s."""

    identity: str = Field(examples=["muster-4711@host-5f2c1a"], description="its name, also in the Temporal UI")
    roles: list[str] = Field(examples=[["missions", "intake", "relay"]])
    waits: dict[str, str] = Field(examples=[{}], description="by role: what of it has not begun yet, and why")
    host: str
    pid: int
    version: str
    started_at: Moment
    seen_at: Moment = Field(description="its last heartbeat; there is one each 5 s")
    lost: bool
    polled_at: dict[str, Moment] = Field(
        description="when it last asked Temporal for tasks, by kind: workflows, activities, steps"
    )


class TaskKind(Resource):
    """One kind of task at Temporal."""

    kind: str = Field(examples=["workflows"], description="workflows, activities, or steps")
    task_queue: str
    pollers: int = Field(description="processes that asked for it in the last minutes, Muster's or not")
    waiting: int = Field(description="about how many tasks nobody has taken yet")
    oldest_seconds: float = Field(description="for how long the oldest of them waits")


class Workers(Resource):
    """`taskKinds` is null while Temporal does not answer; `trouble` says so, which role nobody has, and what waits."""

    items: list[Worker]
    task_kinds: list[TaskKind] | None
    trouble: list[str] = Field(examples=[[]])

    @classmethod
    def of(
        cls, processes: Sequence[WorkerProcess], queues: Sequence[QueuePollers] | None, trouble: list[str]
    ) -> "Workers":
        """The heartbeats and the pollers, put together."""
        polled = {
            process.process: {
                queue.kind.value: poller.polled_at
                for queue in queues or ()
                for poller in queue.pollers
                if poller.identity == process.process
            }
            for process in processes
        }
        return cls(
            items=[
                Worker(
                    identity=one.process,
                    roles=one.roles,
                    waits=one.waits,
                    host=one.host,
                    pid=one.pid,
                    version=one.version,
                    started_at=one.started_at,
                    seen_at=one.seen_at,
                    lost=one.lost,
                    polled_at=polled[one.process],
                )
                for one in processes
            ],
            task_kinds=queues
            and [
                TaskKind(
                    kind=queue.kind,
                    task_queue=queue.task_queue,
                    pollers=len(queue.pollers),
                    waiting=queue.waiting,
                    oldest_seconds=queue.oldest,
                )
                for queue in queues
            ],
            trouble=trouble,
        )
