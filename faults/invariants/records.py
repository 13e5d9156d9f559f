"""What the database and Temporal say: nothing is held by what has ended, nothing is missing, nothing is there twice."""

from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
from temporalio.client import Client

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
    f"""SELECT w.id, w.status, count(e.id) FROM work_processes w LEFT JOIN events e ON e.work_process_id = w.id
        AND e.attempt = w.attempt AND e.type IN ('task.completed', 'task.failed', 'task.cancelled')
        WHERE w.ended_at < now() - {_GRACE} GROUP BY 1, 2 HAVING count(e.id) <> 1
        """: "mission {} is {} with {} last events",
    """SELECT count(*), max(sequence), min(sequence) FROM events HAVING
        count(sequence) <> coalesce(max(sequence) - min(sequence) + 1, 0)
        """: "the log's sequence has gaps: {} events, from {} down to {}",
    f"""SELECT id, timestamp FROM events WHERE sequence IS NULL AND timestamp < now() - {_GRACE}
        """: "event {} of {} has no place in the log",
}


async def faults_in_database(url: str, accepted: Mapping[int, str]) -> Iterator[str]:
    """What is wrong there; `accepted`: missions that the API said to have made."""
    connection = await asyncpg.connect(url)
    try:
        found = []
        for question, words in _QUESTIONS.items():
            found += [words.format(*row) for row in await connection.fetch(question)]
        there = {row["id"] for row in await connection.fetch("SELECT id FROM work_processes")}
        found += [
            f"mission {key} ({kind}) was accepted and is lost" for key, kind in accepted.items() if key not in there
        ]
        return iter(found)
    finally:
        await connection.close()


async def faults_in_temporal(address: str, database_url: str) -> list[str]:
    """Runs that are open though their missions have ended; runs whose tasks cannot be worked on."""
    client = await Client.connect(address)
    connection = await asyncpg.connect(database_url)
    try:
        ended = {
            row["workflow_id"]: row["status"]
            for row in await connection.fetch(
                f"SELECT workflow_id, status FROM work_processes WHERE ended_at < now() - {_GRACE}"
            )
        }
    finally:
        await connection.close()
    found: list[str] = []
    async for run in client.list_workflows("ExecutionStatus = 'Running'"):
        if run.id in ended:
            found.append(f"run {run.id} is open, its mission is {ended[run.id]}")
    reported: Any = client.list_workflows("ExecutionStatus = 'Running' AND TemporalReportedProblems IS NOT NULL")
    async for run in reported:
        found.append(f"run {run.id} has problems with its tasks")
    return found
