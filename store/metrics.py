"""What `GET /metrics` shows: a few statements, each over what is open, waiting or small; none over the past."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from store.connection import Connection
from store.event_backlogs import Backlog, backlogs


@dataclass(frozen=True)
class Metrics:
    """The state of the installation at one moment; times are in seconds."""

    missions: dict[str, int]
    """Open ones by status."""
    waiting: int
    """Missions that wait for their agents."""
    waiting_oldest: float
    retries_waiting: int
    agents: dict[str, int]
    last_position: int
    unpositioned: int
    wakeups: int
    """Not delivered for some seconds."""
    messages: dict[tuple[str, str], int]
    """Agents' messages that were not taken, by outcome and reason, since the installation began."""
    backlogs: Sequence[Backlog]


async def read_metrics(connection: Connection) -> Metrics:
    """Read them; the statements need not agree with each other."""
    missions = (await connection.execute(_MISSIONS)).all()
    waiting = (await connection.execute(_WAITING)).one()
    agents = (await connection.execute(_AGENTS)).all()
    rest = (await connection.execute(_REST)).one()
    messages = (await connection.execute(_MESSAGES)).all()
    return Metrics(
        missions={row.status: row.number for row in missions},
        waiting=waiting.number,
        waiting_oldest=waiting.oldest,
        retries_waiting=sum(row.retries for row in missions),
        agents={row.status: row.number for row in agents},
        last_position=rest.last_position,
        unpositioned=rest.unpositioned,
        wakeups=rest.wakeups,
        messages={(row.outcome, row.reason): row.number for row in messages},
        backlogs=await backlogs(connection),
    )


# As the partial index of open missions says it.
_OPEN = "work_processes.status NOT IN ('draft', 'succeeded', 'failed', 'canceled')"
_MISSIONS = text(
    f"""
    SELECT status, count(*) AS number, count(*) FILTER (WHERE next_attempt_at > now()) AS retries
    FROM work_processes WHERE {_OPEN} GROUP BY status
    """
)
_WAITING = text(
    f"""
    SELECT count(*) AS number,
        CAST(coalesce(extract(epoch FROM now() - min(enqueued_at)), 0) AS double precision) AS oldest
    FROM work_processes JOIN reservation_requests AS request
        ON request.work_process_id = work_processes.id AND request.attempt = work_processes.attempt
    WHERE {_OPEN} AND request.status = 'waiting'
    """
)
_AGENTS = text("SELECT coalesce(status, 'unseen') AS status, count(*) AS number FROM agents GROUP BY 1")
# Where the engine or the sequencer is away these two grow: beyond so many the number says nothing more.
_REST = text(
    """
    SELECT last_position,
        (SELECT count(*) FROM (SELECT FROM events WHERE sequence IS NULL LIMIT 100000) AS found) AS unpositioned,
        (SELECT count(*) FROM (
            SELECT FROM wakeups WHERE error IS NULL AND created_at < now() - interval '5 s' LIMIT 100000
        ) AS found) AS wakeups
    FROM event_log
    """
)
_MESSAGES = text("SELECT outcome, reason, count AS number FROM message_counts")
