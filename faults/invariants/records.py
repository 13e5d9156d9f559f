"""What the database and Temporal say: nothing is held by what has ended, nothing is missing, nothing is there twice."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from temporalio.client import Client

from engine.sweeper import THREAD
from faults.load.scripts import RECIPE
from missions.mission_files.plan import MISSION_FILE

_GRACE = "interval '30 seconds'"
"""What ended, or was restarted, so long ago has no excuse."""

_QUESTIONS = {
    f"""SELECT a.uuid, r.work_process_id, w.status FROM reservations r JOIN agents a ON a.id = r.agent_id
        LEFT JOIN work_processes w ON w.id = r.work_process_id
        WHERE w.id IS NULL OR w.ended_at < now() - {_GRACE}""": "agent {} is held by mission {}, which is {}",
    f"""SELECT a.uuid, a.status, coalesce(a.quarantine_reason, 'in service') FROM agents a
        WHERE (a.status IS DISTINCT FROM 'free' OR a.quarantined_since IS NOT NULL)
        AND NOT EXISTS (SELECT FROM reservations r JOIN work_processes w ON w.id = r.work_process_id
            WHERE r.agent_id = a.id AND (w.ended_at IS NULL OR w.ended_at > now() - {_GRACE}))
        """: "agent {} is {} ({}), though no mission has it",
    """SELECT work_process_id, count(*), max(mission_sequence) FROM events WHERE work_process_id IS NOT NULL
        GROUP BY 1 HAVING count(*) <> max(mission_sequence) OR min(mission_sequence) <> 1
        """: "mission {}: {} events, the last one's mission_sequence is {}",
    # A mission may be cancelled while it waits for the attempt that its failed one announced.
    f"""SELECT w.id, w.status, count(e.id), n FROM work_processes w
        CROSS JOIN generate_series(1, w.attempt) n LEFT JOIN events e ON e.work_process_id = w.id
        AND e.attempt = n AND e.type IN ('task.completed', 'task.failed', 'task.cancelled')
        AND (n < w.attempt OR e.payload->'will_retry' IS DISTINCT FROM 'true')
        WHERE w.ended_at < now() - {_GRACE} GROUP BY 1, 2, 4 HAVING count(e.id) <> 1
        """: "mission {} is {} with {} last events of attempt {}",
    f"""SELECT w.id, w.status, count(e.id) FROM work_processes w LEFT JOIN events e ON e.work_process_id = w.id
        AND e.type = 'mission.stopped' WHERE w.work_process_type_name = '{MISSION_FILE}'
        AND w.ended_at < now() - {_GRACE} GROUP BY 1, 2 HAVING count(e.id) <> 1
        """: "mission {} is {} and has stopped {} times",
    "SELECT id, status FROM work_processes WHERE ended_at IS NULL AND status <> 'draft'": "mission {} is still {}",
    """SELECT count(*), max(sequence), min(sequence) FROM events HAVING
        count(sequence) <> coalesce(max(sequence) - min(sequence) + 1, 0)
        """: "the log's sequence has gaps: {} events, from {} down to {}",
    f"""SELECT id, timestamp FROM events WHERE sequence IS NULL AND timestamp < now() - {_GRACE}
        """: "event {} of {} has no place in the log",
}


async def last_in_the_log(url: str) -> int:
    """The place of the last event."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT max(sequence) FROM events") or 0)
    finally:
        await connection.close()


async def faults_in_database(url: str, accepted: Mapping[int, str]) -> Iterator[str]:
    """What is wrong there; `accepted`: missions that the API said to have made."""
    connection = await asyncpg.connect(url)
    try:
        found = []
        for question, words in _QUESTIONS.items():
            found += [words.format(*row) for row in await connection.fetch(question)]
        rows = await connection.fetch("SELECT id, work_process_type_name FROM work_processes WHERE status <> 'draft'")
        there = {row["id"]: row["work_process_type_name"] for row in rows}
        found += [
            f"mission {key} ({kind}) was accepted and is lost" for key, kind in accepted.items() if key not in there
        ]
        found += [
            f"mission {key} ({kind}) is there, and nobody was told so"
            for key, kind in there.items()
            if kind in (RECIPE, MISSION_FILE) and key not in accepted
        ]
        return iter(found)
    finally:
        await connection.close()


@dataclass(frozen=True)
class SeenRun:
    """A run in the engine, as `RUNNING`, `COMPLETED` and so on; the last one of its workflow."""

    workflow_id: str
    status: str


_ENDS = {"succeeded": "COMPLETED", "failed": "FAILED", "canceled": "CANCELED"}
"""How the run of a mission closes that ended so."""


async def faults_in_temporal(address: str, database_url: str) -> list[str]:
    """Runs that are not as their missions; runs whose tasks cannot be worked on."""
    client = await Client.connect(address)
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            f"SELECT workflow_id, status FROM work_processes WHERE ended_at < now() - {_GRACE}"
        )
    finally:
        await connection.close()
    ended = {row["workflow_id"]: row["status"] for row in rows}
    found = list(runs_wrong([run async for run in _last_runs(client)], ended))
    reported: Any = client.list_workflows("ExecutionStatus = 'Running' AND TemporalReportedProblems IS NOT NULL")
    async for run in reported:
        found.append(f"run {run.id} has problems with its tasks")
    return found


async def _last_runs(client: Client) -> AsyncIterator[SeenRun]:
    seen: set[str] = set()
    async for run in client.list_workflows():  # the newest first
        if run.id not in seen:
            seen.add(run.id)
            yield SeenRun(run.id, run.status.name if run.status is not None else "")


def runs_wrong(runs: Iterable[SeenRun], ended: Mapping[str, str]) -> Iterator[str]:
    """Runs that are open, or closed otherwise, though their missions ended so; `ended`: workflow → status."""
    for run in runs:
        status = ended.get(run.workflow_id.partition(THREAD)[0])
        if status is None:
            continue
        if run.status == "RUNNING":
            yield f"run {run.workflow_id} is open, its mission is {status}"
        elif THREAD not in run.workflow_id and run.status != _ENDS[status]:
            yield f"run {run.workflow_id} is {run.status}, its mission is {status}"
