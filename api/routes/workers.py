"""Workers: which processes live, in which roles, and whether they ask for work."""

from collections.abc import Sequence

from fastapi import APIRouter

from api.deps import Parts, PartsDep, PrincipalDep
from api.models.workers import Workers
from api.problems import responses
from api.worker_roles import WORKER_ROLES
from engine.pollers import QueuePollers
from missions.contracts import TaskQueues
from missions.errors import PartUnavailable
from store import role_heartbeats
from store.installations import installation_id
from store.role_heartbeats import WorkerProcess

router = APIRouter(prefix="/workers", tags=["workers"])


@router.get("", responses=responses())
async def list_workers(parts: PartsDep, _: PrincipalDep) -> Workers:
    """The worker processes: by their heartbeats, and by Temporal's pollers."""
    async with parts.database.statement() as connection:
        processes = await role_heartbeats.processes(connection)
        installation = await installation_id(connection)
    queues, trouble = await _pollers(parts, installation)
    return Workers.of(processes, queues, [*trouble, *_missing_roles(processes), *_waiting_roles(processes)])


async def _pollers(parts: Parts, installation: str) -> tuple[Sequence[QueuePollers] | None, list[str]]:
    try:
        return await parts.pollers.look(TaskQueues.of(parts.settings.task_queue, installation)), []
    except PartUnavailable as error:
        return None, [str(error)]


def _missing_roles(processes: Sequence[WorkerProcess]) -> list[str]:
    present = {role for process in processes if not process.lost for role in process.roles}
    return [f"no worker has the role {role}: {means}" for role, means in WORKER_ROLES.items() if role not in present]


def _waiting_roles(processes: Sequence[WorkerProcess]) -> list[str]:
    return [
        f"{process.process}, role {role}: {what}"
        for process in processes
        if not process.lost
        for role, what in process.waits.items()
    ]
