"""End a failed attempt of a mission: release its agents, then count and plan the next attempt."""

from datetime import timedelta
from random import Random

from temporalio import activity

from activities.parts import Parts
from activities.release_agents import quarantine_unconfirmed, release_agents
from missions import task_events
from missions.contracts import Activity, AttemptEnded, EndAttempt, Outcome
from missions.errors import Failure
from missions.events import EventSource, utc_now
from missions.principals import MUSTER
from missions.retries import RETRY
from missions.retry_delays import retry_delay
from missions.statuses import WorkProcessStatus
from store import assignments, attempts, attention, events, instant_actions, mission_agents, pauses, slots
from store.connection import Connection
from store.notifications import notify
from store.reservations import leave
from store.waiting_line import refresh_lines
from store.work_process_status import LockedWorkProcess, change, lock


class AttemptEnder:
    """The activity `end_attempt`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._random = Random()

    @activity.defn(name=Activity.END_ATTEMPT)
    async def end_attempt(self, call: EndAttempt) -> AttemptEnded:
        """Release, write the failure, go back to `dispatched`. SUPERSEDED: a cancel came first.

        A retried call finds the next attempt as it was planned.
        """
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            answer = await _answered(connection, work_process, call)
            if answer is not None:
                return answer
            to_release = await mission_agents.to_release(connection, work_process.id)
        await release_agents(self._parts, call.work_process_id, call.attempt, to_release)
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id)
            answer = await _answered(connection, work_process, call)
            if answer is not None:
                return answer
            freed, let_go = await self._end(connection, work_process, call)
            ended = await _next(connection, work_process.id, work_process.attempt)
        if let_go:
            await notify(self._parts.database, instant_actions.CHANNEL)
        wakeups = await slots.move_up(self._parts.database) if work_process.without_agents else []
        await self._parts.waker.send([*wakeups, *await refresh_lines(self._parts.database, freed)])
        return ended

    async def _end(
        self, connection: Connection, work_process: LockedWorkProcess, call: EndAttempt
    ) -> tuple[list[int], bool]:
        """Write the end of the attempt and the plan of the next; the freed agents, whether some are told to go on."""
        assert work_process.max_retries is not None, "it was fixed at dispatch"
        raised = await quarantine_unconfirmed(connection, work_process, call.unconfirmed)
        if work_process.without_agents:
            await slots.leave(connection, work_process.id)
        freed = await leave(connection, work_process.id, work_process.attempt)
        failure = await assignments.in_words(connection, call.failure)
        shown, cleared = attention.at_attempts_end(work_process.attention)
        now = utc_now()
        delay = retry_delay(call.options, work_process.attempt, self._random)
        begins = now + timedelta(seconds=delay)
        failed = task_events.failed(
            work_process.id,
            work_process.type_name,
            failure,
            retry_count=work_process.attempt,
            max_retries=work_process.max_retries,
            will_retry=True,
            started_at=work_process.started_at,
            now=now,
        )
        retrying = task_events.retrying(
            work_process.id,
            work_process.type_name,
            retry_count=work_process.attempt,
            max_retries=work_process.max_retries,
            delay=delay,
            next_attempt_at=begins,
            now=now,
        )
        since = {"agentId": None, "step": None, "attempt": work_process.attempt, "since": now.isoformat()}
        values = {
            "attention": [*shown, *raised],
            "next_attempt_at": begins,
            "waiting_reasons": [{"code": RETRY, "text": _why(work_process, failure), **since}],
        }
        also = [failed, retrying.caused_by(failed), *(attention.raised(entry) for entry in raised)]
        if work_process.status is WorkProcessStatus.DISPATCHED:  # it waited for a slot, and has not been elsewhere
            await events.append_for_mission(
                connection, work_process.id, [*cleared, *also], attempt=call.attempt, values=values
            )
        else:
            await change(
                connection,
                work_process,
                WorkProcessStatus.DISPATCHED,
                principal=MUSTER,
                source=EventSource.MISSION_WORKER,
                transition=call.transition,
                values=values,
                before=cleared,
                also=also,
            )
        # Who has not confirmed its stop might go on with what was cancelled: a person decides.
        let_go = await pauses.let_go(connection, work_process, but=[entry["agentId"] for entry in raised])
        await attempts.begin_next(connection, work_process)
        return freed, let_go


def _why(work_process: LockedWorkProcess, failure: Failure) -> str:
    """Which attempt failed, and why."""
    return f"attempt {work_process.attempt} of {work_process.max_retries} failed ({failure.code}): {failure.text}"


async def _answered(connection: Connection, work_process: LockedWorkProcess, call: EndAttempt) -> AttemptEnded | None:
    """What to answer without doing anything: a cancel came first, or an earlier try did all of it."""
    if work_process.superseded:
        return AttemptEnded(outcome=Outcome.SUPERSEDED)
    if work_process.attempt == call.attempt:
        return None
    if work_process.next_attempt_at is None:  # this try was given up long ago: the next attempt has begun
        return AttemptEnded(outcome=Outcome.SUPERSEDED)
    return await _next(connection, work_process.id, work_process.attempt)


async def _next(connection: Connection, work_process_id: int, attempt: int) -> AttemptEnded:
    begins, why = await attempts.begins(connection, work_process_id)
    steps = await attempts.steps(connection, work_process_id, attempt)
    return AttemptEnded(outcome=Outcome.DONE, number=attempt, start_at=begins.isoformat(), waits=why, steps=steps)
