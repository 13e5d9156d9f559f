"""Mission queues as clients see them: create, read, change, delete, and what they wish of one.

The row decides, under its lock: what is `paused` or `stopped` starts no further mission from that commit on, whether
its workflow has heard of it or not.
"""

from sqlalchemy import and_, delete, insert, select, text, update

from missions.contracts import MissionQueueStart, QueueChanged, QueueSignal, TaskQueues
from missions.errors import Conflict, NotFound
from missions.event_payloads.mission_queue import MissionQueueCreated, MissionQueueDeleted, MissionQueueUpdated
from missions.events import utc_now
from missions.principals import Principal
from missions.statuses import QueueStatus, WorkProcessStatus
from missions.transitions import QUEUE_IDLE, WORK_PROCESS_ENDED
from settings import Settings
from store.cancels import request_cancel
from store.connection import Connection
from store.mission_queue_status import LockedQueue, change, lock, tell, write
from store.rows import Row, all_rows, one_row
from store.tables import MISSION_NOT_ENDED, installation, mission_queues, work_processes
from store.wakeups import NewSignal, Wakeup, add_queue_run, add_signals

# Statuses of missions that are neither drafts nor over.
_RUNS = and_(text(MISSION_NOT_ENDED), work_processes.c.status != WorkProcessStatus.DRAFT)
_SHOWN_AHEAD, _SHOWN_ENDED = 200, 50


async def create(connection: Connection, values: Row, *, principal: Principal, source: str) -> LockedQueue:
    """Store a queue (columns of the table), stopped, and its event."""
    created = await connection.execute(
        insert(mission_queues)
        .values(status=QueueStatus.STOPPED, created_by=principal.model_dump(mode="json"), **values)
        .returning(mission_queues)
    )
    queue = LockedQueue.of(created.one()._asdict())
    payload = MissionQueueCreated(mission_queue_id=queue.id, name=queue.name)
    await tell(connection, payload, principal=principal, source=source)
    return queue


async def locked(connection: Connection, queue_id: int) -> LockedQueue:
    """Lock a queue's row; raises NotFound."""
    queue = await lock(connection, queue_id)
    if queue is None:
        raise _unknown(queue_id)
    return queue


async def edit(
    connection: Connection, queue: LockedQueue, values: Row, *, principal: Principal, source: str
) -> list[Wakeup]:
    """Change columns of a queue, with an event; its workflow looks again."""
    changed = {name: value for name, value in values.items() if queue.row[name] != value}
    if not changed:
        return []
    await write(connection, queue, changed)
    payload = MissionQueueUpdated(mission_queue_id=queue.id, changed=sorted(changed))
    await tell(connection, payload, principal=principal, source=source)
    return [] if queue.status in QUEUE_IDLE else await _look_again(connection, queue, "it was changed")


async def remove(connection: Connection, queue_id: int, *, principal: Principal, source: str) -> None:
    """Delete an idle queue, with an event; its missions stay, in no queue. Raises NotFound, Conflict."""
    queue = await locked(connection, queue_id)
    if queue.status not in QUEUE_IDLE:
        raise _refused(queue, "deleted", "stop or cancel it first")
    running = await _running(connection, queue_id)
    if running:
        raise Conflict(
            f"mission queue {queue_id} is {queue.status.value!r}, and its mission {running[0]} still runs",
            field="id",
            value=queue_id,
            remedy="wait for that mission's end, or cancel it",
        )
    await connection.execute(
        update(work_processes)
        .where(work_processes.c.mission_queue_id == queue_id)
        .values(mission_queue_id=None, run_order=None)
    )
    await connection.execute(delete(mission_queues).where(mission_queues.c.id == queue_id))
    payload = MissionQueueDeleted(mission_queue_id=queue_id, name=queue.name)
    await tell(connection, payload, principal=principal, source=source)


async def run(
    connection: Connection, queue: LockedQueue, *, principal: Principal, source: str, settings: Settings
) -> list[Wakeup]:
    """Let a queue run its drafts, or go on after a pause; for one that runs, make sure that its workflow does.

    Raises Conflict while it is canceling.
    """
    if queue.status is QueueStatus.CANCELING:
        raise _refused(queue, "run", "wait until it is 'canceled'")
    start = await _start(connection, queue, settings)
    if queue.status in QUEUE_IDLE:
        # What runs of it by now is found again; how a mission of the last run ended does not stop this one.
        fresh = {"started_at": None, "ended_at": None, "failure": None, "current_mission_id": None}
        values = {"workflow_id": queue.workflow_id, **fresh}
        await change(connection, queue, QueueStatus.RUN, principal=principal, source=source, values=values)
    elif queue.status is QueueStatus.PAUSED:
        await change(connection, queue, QueueStatus.RUN, principal=principal, source=source)
    assert queue.workflow_id is not None
    return [await add_queue_run(connection, queue.workflow_id, start)]


async def run_again(connection: Connection, queue_id: int, settings: Settings) -> Wakeup | None:
    """A queue's run is gone: start another one, which finds in the row what is to do. None: the queue is idle."""
    queue = await lock(connection, queue_id)
    if queue is None or queue.status in QUEUE_IDLE:
        return None
    start = await _start(connection, queue, settings)
    assert queue.workflow_id is not None
    return await add_queue_run(connection, queue.workflow_id, start)


async def pause(connection: Connection, queue: LockedQueue, *, principal: Principal, source: str) -> list[Wakeup]:
    """Start no further mission until `run`; the one in hand goes on. Raises Conflict if it does not run."""
    if queue.status is QueueStatus.PAUSED:
        return []
    if queue.status not in (QueueStatus.RUN, QueueStatus.RUNNING):
        raise _refused(queue, "paused", "only a queue that runs can be paused")
    await change(connection, queue, QueueStatus.PAUSED, principal=principal, source=source)
    return await _look_again(connection, queue, "it is paused")


async def stop(connection: Connection, queue: LockedQueue, *, principal: Principal, source: str) -> list[Wakeup]:
    """Start no further mission and end the queue's run; the one in hand goes on. Raises Conflict."""
    if queue.status is QueueStatus.STOPPED:
        return []
    if queue.status in (QueueStatus.CANCELING, QueueStatus.CANCELED):
        raise _refused(queue, "stopped", "it starts no further mission anyway, until you run it again")
    await change(
        connection, queue, QueueStatus.STOPPED, principal=principal, source=source, values={"ended_at": utc_now()}
    )
    return await _look_again(connection, queue, "it is stopped")


async def cancel(
    connection: Connection, queue: LockedQueue, *, principal: Principal, reason: str, source: str, settings: Settings
) -> list[Wakeup]:
    """Cancel what runs of a queue, and end it once that has ended; its drafts stay drafts.

    Raises Conflict if it is stopped.
    """
    if queue.status is QueueStatus.CANCELED:
        return []
    if queue.status is QueueStatus.STOPPED:
        raise _refused(queue, "canceled", "it starts no mission; cancel a mission of it that still runs by itself")
    if queue.status is not QueueStatus.CANCELING:
        why = {"reason": reason} if reason else None
        await change(connection, queue, QueueStatus.CANCELING, principal=principal, source=source, why=why)
    because = f"mission queue {queue.id} was cancelled" + (f": {reason}" if reason else "")
    asked: list[Wakeup] = []
    for mission_id in await _running(connection, queue.id):  # one, or those that were started by hand beside it
        asked += await request_cancel(connection, mission_id, principal=principal, reason=because, source=source)
    start = await _start(connection, queue, settings)
    assert queue.workflow_id is not None
    return [*asked, await add_queue_run(connection, queue.workflow_id, start)]


async def get(connection: Connection, queue_id: int) -> Row:
    """One queue; raises NotFound."""
    row = await one_row(connection, select(mission_queues).where(mission_queues.c.id == queue_id))
    if row is None:
        raise _unknown(queue_id)
    return row


async def page(connection: Connection, *, before: int | None, limit: int, statuses: list[str]) -> list[Row]:
    """Queues, newest first, with ids below `before`."""
    query = select(mission_queues).order_by(mission_queues.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(mission_queues.c.id < before)
    if statuses:
        query = query.where(mission_queues.c.status.in_(statuses))
    return await all_rows(connection, query)


async def missions_of(connection: Connection, queue_id: int) -> list[Row]:
    """A queue's missions in their order: the last that ended, those that run, the next."""
    missions = work_processes.c
    columns = (
        missions.id,
        missions.status,
        missions.run_order,
        missions.work_process_type_name,
        missions.description,
        missions.started_at,
        missions.ended_at,
    )
    own = select(*columns).where(missions.mission_queue_id == queue_id)
    ended = (
        own.where(missions.status.in_(WORK_PROCESS_ENDED)).order_by(missions.ended_at.desc(), missions.id.desc())
    ).limit(_SHOWN_ENDED)
    ahead = own.where(text(MISSION_NOT_ENDED)).order_by(missions.run_order, missions.id)
    rows = await all_rows(connection, ended) + await all_rows(connection, ahead.limit(_SHOWN_AHEAD))
    return sorted(rows, key=lambda row: (row["run_order"], row["id"]))


async def _running(connection: Connection, queue_id: int) -> list[int]:
    """The missions of a queue that run, locked."""
    query = select(work_processes.c.id).where(work_processes.c.mission_queue_id == queue_id, _RUNS)
    return list((await connection.execute(query.order_by(work_processes.c.id).with_for_update())).scalars())


async def _start(connection: Connection, queue: LockedQueue, settings: Settings) -> MissionQueueStart:
    """What its workflow is started with. Each run of the queue has the same workflow id."""
    installation_id = await connection.scalar(select(installation.c.id))
    assert installation_id is not None, "made by store/migrate.py"
    queue.workflow_id = f"mission-queue-{installation_id}-{queue.id}"
    return MissionQueueStart(
        mission_queue_id=queue.id,
        name=queue.name,
        details_url=f"{settings.public_api_url}/api/v1/mission-queues/{queue.id}",
        task_queues=TaskQueues.of(settings.task_queue, installation_id),
    )


async def _look_again(connection: Connection, queue: LockedQueue, why: str) -> list[Wakeup]:
    assert queue.workflow_id is not None, "it was run"
    signal = NewSignal(queue.workflow_id, None, QueueSignal.QUEUE_CHANGED, QueueChanged(why=why))
    return await add_signals(connection, [signal])


def _unknown(queue_id: int) -> NotFound:
    return NotFound(
        f"mission queue {queue_id} does not exist",
        field="id",
        value=queue_id,
        remedy="list the queues (GET /api/v1/mission-queues) to find its id",
    )


def _refused(queue: LockedQueue, wish: str, remedy: str) -> Conflict:
    return Conflict(
        f"mission queue {queue.id} is {queue.status.value!r}: it cannot be {wish}",
        field="status",
        value=queue.status.value,
        remedy=remedy,
    )
