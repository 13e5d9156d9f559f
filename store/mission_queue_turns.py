"""One turn of a mission queue's run: look at the queue and its missions, do what comes next, in one transaction."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import select, text

from missions.contracts import QueueAdvanced
from missions.errors import Failure, FailureCode, UserError
from missions.event_payloads.mission_queue import MissionQueueMissionStarted
from missions.events import EventSource, utc_now
from missions.mission_queues import Move, QueueView, next_move
from missions.principals import MUSTER
from missions.statuses import QueueStatus, Severity, WorkProcessStatus
from settings import Settings
from store import work_process_status, work_processes
from store.connection import Connection
from store.mission_queue_status import LockedQueue, change, lock, tell, write
from store.tables import MISSION_NOT_ENDED
from store.tables import work_processes as missions
from store.wakeups import Wakeup
from store.work_process_status import LockedWorkProcess
from store.work_processes import ResolvePreset

_BY_US: dict[str, Any] = {"principal": MUSTER, "source": EventSource.QUEUE}


class Turn:
    """One turn, in one transaction."""

    def __init__(self, connection: Connection, settings: Settings, resolve_preset: ResolvePreset) -> None:
        self._connection, self._settings, self._resolve_preset = connection, settings, resolve_preset
        self.wakeups: list[Wakeup] = []
        """To be sent after the commit."""

    async def take(self, queue_id: int) -> QueueAdvanced | None:
        """Do what comes next. None: commit, and take another turn.

        A mission that cannot be dispatched fails, and counts as one that failed.
        """
        queue = await lock(self._connection, queue_id)
        if queue is None:  # deleted after it was stopped
            return QueueAdvanced(status=QueueStatus.STOPPED, over=True)
        # Locked, so that its end is either seen here or tells the queue (store/queue_places.py).
        in_hand = await self._mission(queue.current_mission_id)
        another, draft = await self._others(queue)
        move = next_move(
            QueueView(
                status=queue.status,
                stop_on_failure=queue.stop_on_failure,
                before_its_time=_before_its_time(queue),
                in_hand=None if in_hand is None else in_hand.status,
                another_runs=another is not None,
                has_draft=draft is not None,
            )
        )
        waiting, start_at = "", None
        match move:
            case Move.BEGIN:
                await change(
                    self._connection,
                    queue,
                    QueueStatus.RUNNING,
                    values={"started_at": queue.started_at or utc_now()},
                    **_BY_US,
                )
                return None
            case Move.ADOPT_MISSION:
                await write(self._connection, queue, {"current_mission_id": another})
                return None
            case Move.START_MISSION:
                assert draft is not None
                await self._start(queue, draft)
                return None
            case Move.STOP_FOR_FAILURE:
                assert in_hand is not None
                await self._stop(queue, _failure(in_hand))
            case Move.STOP_EMPTY:
                await self._stop(queue, None)
            case Move.END_CANCELED:
                await change(self._connection, queue, QueueStatus.CANCELED, values={"ended_at": utc_now()}, **_BY_US)
            case Move.AWAIT_TIME:
                assert queue.sched_start_at is not None
                start_at = queue.sched_start_at.isoformat()
                waiting = f"scheduled to start at {start_at}"
            case Move.AWAIT_MISSION:
                assert in_hand is not None
                waiting = f"mission {in_hand.id}: {in_hand.type_name}"
            case Move.AWAIT_RESUME:
                waiting = "paused, until somebody runs it"
            case Move.END_RUN:
                pass
        over = not waiting
        return QueueAdvanced(status=queue.status, over=over, start_at=start_at, waiting=waiting)

    async def _mission(self, mission_id: int | None) -> LockedWorkProcess | None:
        return None if mission_id is None else await work_process_status.lock(self._connection, mission_id)

    async def _others(self, queue: LockedQueue) -> tuple[int | None, int | None]:
        """The first mission of the queue that somebody else started, and its next draft."""
        own = select(missions.c.id).where(missions.c.mission_queue_id == queue.id)
        own = own.where(text(MISSION_NOT_ENDED)).order_by(missions.c.run_order, missions.c.id)
        another = own.where(missions.c.status != WorkProcessStatus.DRAFT)
        if queue.current_mission_id is not None:
            another = another.where(missions.c.id != queue.current_mission_id)
        draft = own.where(missions.c.status == WorkProcessStatus.DRAFT)
        found = await self._connection.execute(
            select(another.limit(1).scalar_subquery(), draft.limit(1).scalar_subquery())
        )
        row = found.one()
        return row[0], row[1]

    async def _start(self, queue: LockedQueue, draft: int) -> None:
        mission = await work_process_status.lock(self._connection, draft)
        if mission.status is not WorkProcessStatus.DRAFT or mission.mission_queue_id != queue.id:
            return  # dispatched by hand, canceled or moved, just now
        try:
            async with self._connection.begin_nested():
                self.wakeups.append(
                    await work_processes.dispatch(
                        self._connection,
                        draft,
                        settings=self._settings,
                        resolve_preset=self._resolve_preset,
                        **_BY_US,
                    )
                )
        except UserError as error:
            await self._refuse(mission, f"{error.detail}; {error.remedy}")
        except ValidationError as error:  # of a stored row, as of a recipe from before an upgrade
            await self._refuse(mission, str(error))
        else:
            payload = MissionQueueMissionStarted(mission_queue_id=queue.id, work_process_id=draft)
            await tell(self._connection, payload, **_BY_US)
        await write(self._connection, queue, {"current_mission_id": draft})

    async def _refuse(self, mission: LockedWorkProcess, why: str) -> None:
        """It was no mission yet for its watchers: no task.created, so no task.failed."""
        text = f"its queue could not dispatch it: {why}"
        failure = Failure(code=FailureCode.DISPATCH_REFUSED, text=text)
        await work_process_status.change(
            self._connection,
            mission,
            WorkProcessStatus.FAILED,
            values={"ended_at": utc_now(), "failure": failure.model_dump(mode="json")},
            severity=Severity.ERROR,
            **_BY_US,
        )

    async def _stop(self, queue: LockedQueue, failure: dict[str, Any] | None) -> None:
        await change(
            self._connection,
            queue,
            QueueStatus.STOPPED,
            values={"ended_at": utc_now(), "failure": failure},
            why={} if failure is None else {"failure": failure},
            severity=Severity.INFO if failure is None else Severity.ERROR,
            **_BY_US,
        )


def _before_its_time(queue: LockedQueue) -> bool:
    """A queue that has begun needs no second start time."""
    return queue.started_at is None and queue.sched_start_at is not None and queue.sched_start_at > utc_now()


def _failure(mission: LockedWorkProcess) -> dict[str, Any]:
    return {
        "code": f"mission_{mission.status.value}",
        "text": f"mission {mission.id} is {mission.status.value}, and `stopOnFailure` is set",
        "work_process_id": mission.id,
    }
