"""A mission's place in its queue; and the queue hears of the mission's end."""

from typing import Any

from sqlalchemy import func, select

from missions.contracts import QueueChanged, QueueSignal
from missions.errors import InvalidInput
from missions.requests import MissionChanges
from missions.transitions import QUEUE_IDLE
from store.connection import Connection
from store.tables import mission_queues, work_processes
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess


async def resolve(connection: Connection, mission: MissionChanges, row: Any = None) -> dict[str, Any]:
    """The columns of a mission's place; `row`: the draft as it is. Raises InvalidInput for an unknown queue.

    Two that come last at once may get one number: missions with equal numbers run in the order of their ids.
    """
    before = None if row is None else row["mission_queue_id"]
    queue_id = mission.mission_queue_id if mission.given("mission_queue_id") else before
    if queue_id is None:
        if mission.run_order is not None:
            raise InvalidInput(
                "`runOrder` is a place in a queue, and this mission is in none",
                field="runOrder",
                value=mission.run_order,
                remedy="send `missionQueueId` too",
            )
        return {"mission_queue_id": None, "run_order": None}
    known = select(mission_queues.c.id).where(mission_queues.c.id == queue_id)
    # Held until the mission is written: nobody deletes the queue meanwhile.
    if await connection.scalar(known.with_for_update(key_share=True, read=True)) is None:
        raise InvalidInput(
            f"there is no mission queue {queue_id}",
            field="missionQueueId",
            value=queue_id,
            remedy="list the queues (GET /api/v1/mission-queues), or create one",
        )
    order = mission.run_order
    if order is None and queue_id == before and not mission.given("run_order"):
        order = row["run_order"]
    if order is None:
        last = select(func.coalesce(func.max(work_processes.c.run_order), 0))
        order = 1 + (await connection.execute(last.where(work_processes.c.mission_queue_id == queue_id))).scalar_one()
    return {"mission_queue_id": queue_id, "run_order": order}


async def mission_ended(connection: Connection, work_process: LockedWorkProcess) -> list[Wakeup]:
    """Wake the queue of a mission that has its last status; costs nothing for a mission of no queue.

    Reads the queue unlocked, for the mission's lock is held and comes after it. No end is missed: a queue that starts
    to wait for this mission locks its row first, so it either sees the end or is seen here.
    """
    if work_process.mission_queue_id is None:
        return []
    workflow_id = await connection.scalar(
        select(mission_queues.c.workflow_id).where(
            mission_queues.c.id == work_process.mission_queue_id, mission_queues.c.status.not_in(QUEUE_IDLE)
        )
    )
    if workflow_id is None:
        return []
    told = QueueChanged(why=f"mission {work_process.id} is {work_process.status}")
    return await add_signals(connection, [NewSignal(workflow_id, work_process.id, QueueSignal.QUEUE_CHANGED, told)])
