"""Which missions and queues should have a run in the engine now, and which of the engine's runs are nobody's."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Interval, bindparam, text

from store.connection import Connection
from store.role_heartbeats import LOST_AFTER
from store.tables import MISSION_ENDED, MISSION_OPEN


@dataclass(frozen=True)
class OpenMission:
    """A mission that is neither a draft nor over. `settled`: it was dispatched long enough ago to have a run.

    `canceling`: and was cancelled long enough ago for its run to know, which did not write that itself.
    """

    id: int
    workflow_id: str
    settled: bool
    canceling: bool


async def missions(connection: Connection, grace: timedelta) -> list[OpenMission]:
    """All of them."""
    return [OpenMission(*row) for row in await connection.execute(_MISSIONS, {"grace": grace})]


@dataclass(frozen=True)
class OpenQueue:
    """A mission queue that is not idle, and has not just changed."""

    id: int
    workflow_id: str


async def queues(connection: Connection, grace: timedelta) -> list[OpenQueue]:
    """All of them."""
    return [OpenQueue(*row) for row in await connection.execute(_QUEUES, {"grace": grace})]


async def why_unneeded(connection: Connection, workflow_ids: Collection[str], grace: timedelta) -> dict[str, str]:
    """Of these workflows, those that no mission needs any more, and why. Not those that ended less than `grace` ago.

    Nor any as long as nobody works who could end them in good order.
    """
    rows = await connection.execute(_UNNEEDED, {"ids": sorted(workflow_ids), "grace": grace, "lost_after": LOST_AFTER})
    return {
        row.workflow_id: f"its mission is {row.status} since {row.since}" if row.status else "there is no such mission"
        for row in rows
    }


async def queues_without_need(connection: Connection, workflow_ids: Collection[str], grace: timedelta) -> list[str]:
    """Of these workflows, those whose queue is idle for so long, or deleted."""
    asked = {"ids": sorted(workflow_ids), "grace": grace, "lost_after": LOST_AFTER}
    return list(await connection.scalars(_IDLE_QUEUES, asked))


_GRACE, _LOST_AFTER = bindparam("grace", type_=Interval), bindparam("lost_after", type_=Interval)
_MISSIONS = text(
    f"""
    SELECT id, workflow_id, dispatched_at < now() - CAST(:grace AS interval),
        status = 'canceling' AND cancel_requested_at < now() - CAST(:grace AS interval) AND NOT EXISTS (
            SELECT FROM events
            WHERE work_process_id = mission.id AND type = 'work_process.status_changed'
                AND payload ->> 'to' = 'canceling' AND transition IS NOT NULL
        )
    FROM work_processes AS mission
    WHERE {MISSION_OPEN} AND workflow_id IS NOT NULL
    """
).bindparams(_GRACE)
_QUEUES = text(
    """
    SELECT id, workflow_id FROM mission_queue
    WHERE status NOT IN ('stopped', 'canceled') AND workflow_id IS NOT NULL
        AND modified_at < now() - CAST(:grace AS interval)
    """
).bindparams(_GRACE)
# A run whose row is ended already may still be about to end by itself.
_SERVED = """EXISTS (
    SELECT FROM role_heartbeats
    WHERE 'missions' = ANY(roles) AND seen_at >= now() - CAST(:lost_after AS interval)
        AND started_at < now() - CAST(:grace AS interval)
)"""
_UNNEEDED = text(
    f"""
    SELECT wanted.workflow_id, mission.status, mission.ended_at AS since
    FROM unnest(CAST(:ids AS text[])) AS wanted(workflow_id)
    LEFT JOIN work_processes AS mission ON mission.workflow_id = wanted.workflow_id
    WHERE (
        mission.id IS NULL OR (
            mission.{MISSION_ENDED}
            AND coalesce(mission.ended_at, mission.modified_at) < now() - CAST(:grace AS interval)
        )
    ) AND {_SERVED}
    """
).bindparams(_GRACE, _LOST_AFTER)
_IDLE_QUEUES = text(
    f"""
    SELECT wanted.workflow_id FROM unnest(CAST(:ids AS text[])) AS wanted(workflow_id)
    LEFT JOIN mission_queue AS queue ON queue.workflow_id = wanted.workflow_id
    WHERE (
        queue.id IS NULL
        OR (queue.status IN ('stopped', 'canceled') AND queue.modified_at < now() - CAST(:grace AS interval))
    ) AND {_SERVED}
    """
).bindparams(_GRACE, _LOST_AFTER)
