"""What `GET /metrics` shows: a few statements, each over what is open, waiting or small; none over the past."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from store import repairs, role_heartbeats, waiting_queue
from store.connection import Connection
from store.event_backlogs import Backlog, backlogs
from store.positions import event_counts
from store.tables import MISSION_OPEN
from store.waiting_queue import Line, WaitsFor


@dataclass(frozen=True)
class Metrics:
    """The state of the installation at one moment; times are in seconds."""

    missions: dict[str, int]
    """Open ones by status."""
    waiting: dict[WaitsFor, Line]
    """Missions that wait to begin."""
    retries_waiting: int
    agents: dict[str, int]
    last_position: int
    unpositioned: int
    wakeups: int
    """Not delivered for some seconds."""
    messages: dict[tuple[str, str], int]
    """Agents' messages that were not taken, by outcome and reason, since the installation began."""
    task_events: dict[tuple[str, str], int]
    """Events `task.*` by type and severity, since the installation began."""
    repairs: dict[str, int]
    """Since the installation began, by kind."""
    workers: dict[str, int]
    """Live processes by role; none for a role that nobody has."""
    backlogs: Sequence[Backlog]


async def read_metrics(connection: Connection) -> Metrics:
    """Read them; the statements need not agree with each other."""
    missions = (await connection.execute(_MISSIONS)).all()
    agents = (await connection.execute(_AGENTS)).all()
    rest = (await connection.execute(_REST)).one()
    messages = (await connection.execute(_MESSAGES)).all()
    return Metrics(
        missions={row.status: row.number for row in missions},
        waiting=await waiting_queue.lines(connection),
        retries_waiting=sum(row.retries for row in missions),
        agents={row.status: row.number for row in agents},
        last_position=rest.last_position,
        unpositioned=rest.unpositioned,
        wakeups=rest.wakeups,
        messages={(row.outcome, row.reason): row.number for row in messages},
        task_events=await event_counts(connection),
        repairs=await repairs.counts(connection),
        workers=await role_heartbeats.live_by_role(connection),
        backlogs=await backlogs(connection),
    )


# As the partial index of open missions says it.
_OPEN = f"work_processes.{MISSION_OPEN}"
_MISSIONS = text(
    f"""
    SELECT status, count(*) AS number, count(*) FILTER (WHERE next_attempt_at > now()) AS retries
    FROM work_processes WHERE {_OPEN} GROUP BY status
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
