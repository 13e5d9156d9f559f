"""What ended missions still hold, though they gave it back in the transaction that ended them: somebody wrote by hand,
or a try of an activity came late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Interval, bindparam, text

from store.connection import Connection
from store.tables import MISSION_ENDED


@dataclass(frozen=True)
class Held:
    """An ended mission that holds agents, or stands in their lines, for one of its attempts."""

    work_process_id: int
    attempt: int


async def agents(connection: Connection, grace: timedelta) -> Sequence[Held]:
    """Missions that ended longer than `grace` ago and hold agents."""
    return [Held(*row) for row in await connection.execute(_AGENTS, {"grace": grace})]


async def still(connection: Connection, held: Held, grace: timedelta) -> bool:
    """Whether it does so now that the mission is locked."""
    asked = {"grace": grace, "of": held.work_process_id, "attempt": held.attempt}
    return bool(await connection.scalar(_STILL, asked))


async def platforms(connection: Connection, grace: timedelta) -> list[int]:
    """Missions that ended longer than `grace` ago and count as running on their platform."""
    return list(await connection.scalars(_PLATFORMS, {"grace": grace}))


_ENDED = f"""
    mission.{MISSION_ENDED}
    AND coalesce(mission.ended_at, mission.modified_at) < now() - CAST(:grace AS interval)
"""
_HELD = f"""
    SELECT held.work_process_id, held.attempt
    FROM (
        SELECT work_process_id, attempt FROM reservations
        UNION
        SELECT work_process_id, attempt FROM reservation_requests WHERE id IN (
            SELECT request_id FROM reservation_request_agents WHERE claims
            UNION SELECT request_id FROM reservation_selectors WHERE waiting
        )
    ) AS held
    JOIN work_processes AS mission ON mission.id = held.work_process_id
    WHERE {_ENDED}
"""
_AGENTS = text(f"{_HELD} ORDER BY held.work_process_id, held.attempt").bindparams(bindparam("grace", type_=Interval))
_STILL = text(f"SELECT EXISTS ({_HELD} AND held.work_process_id = :of AND held.attempt = :attempt)").bindparams(
    bindparam("grace", type_=Interval)
)
_PLATFORMS = text(
    f"""
    SELECT work_process_id FROM mission_files AS file JOIN work_processes AS mission ON mission.id = work_process_id
    WHERE file.running AND {_ENDED} ORDER BY work_process_id
    """
).bindparams(bindparam("grace", type_=Interval))
