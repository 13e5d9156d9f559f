"""Take a slot for a mission without agents, or get in line for one."""

from typing import Any

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Activity, Outcome, SlotTaken, TakeSlot
from missions.event_catalogue import event
from missions.event_payloads.work_process import WaitingReason, WorkProcessWaiting
from missions.events import EventSource
from missions.principals import MUSTER
from store import attempts, events, slots
from store.connection import Connection
from store.slot_reasons import limit_reached
from store.work_process_status import LockedWorkProcess, lock


class SlotTaker:
    """The activity `take_slot`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.TAKE_SLOT)
    async def take_slot(self, call: TakeSlot) -> SlotTaken:
        """The mission may run, or waits for its signal. Idempotent: a retried call finds the attempt's own place."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            if work_process.superseded or work_process.ended or work_process.attempt != call.attempt:
                return SlotTaken(outcome=Outcome.SUPERSEDED)
            taken = await slots.take(connection, work_process)
            if taken.held:
                values = {"started_at": taken.started_at, **_begun(work_process)}
                await events.append_for_mission(
                    connection, work_process.id, taken.started, attempt=call.attempt, values=values
                )
                return SlotTaken(outcome=Outcome.DONE)
            waiting = await self._waiting(connection, work_process, first=taken.new)
        if taken.others:
            await self._parts.waker.send(await slots.move_up(self._parts.database))
        return SlotTaken(outcome=Outcome.WAITING, waiting=waiting)

    async def _waiting(self, connection: Connection, work_process: LockedWorkProcess, *, first: bool) -> str:
        reasons = await limit_reached(connection, work_process)
        if first:
            told = event(
                WorkProcessWaiting(waiting_reasons=[WaitingReason.of(reason) for reason in reasons]),
                source=EventSource.MISSION_WORKER,
                actor=MUSTER,
            )
            await events.append_for_mission(
                connection, work_process.id, [told], attempt=work_process.attempt, values=_begun(work_process)
            )
        return "; ".join(reason["text"] for reason in reasons)


def _begun(work_process: LockedWorkProcess) -> dict[str, Any]:
    return {"run_id": activity.info().workflow_run_id, **attempts.begun(work_process)}
