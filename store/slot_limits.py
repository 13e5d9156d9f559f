"""The limits on missions without agents: how many may run at once, overall and of each recipe, and how many do."""

from dataclasses import dataclass

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert

from missions.event_catalogue import event
from missions.event_payloads.configuration import QueueLimitsChanged
from missions.principals import Principal
from store import events
from store.connection import Connection
from store.rows import Row
from store.slots import lock_line
from store.tables import slot_limits


@dataclass(frozen=True)
class Limits:
    """`overall`: None is no limit. `recipes`: name, max_concurrent, running, waiting of those with any."""

    overall: int | None
    running: int
    waiting: int
    recipes: list[Row]


async def read(connection: Connection) -> Limits:
    """The limits, and what they hold for now."""
    recipes = [row._asdict() for row in await connection.execute(_RECIPES)]
    return Limits(
        await connection.scalar(_OVERALL),
        sum(row["running"] for row in recipes),
        sum(row["waiting"] for row in recipes),
        recipes,
    )


async def set_overall(connection: Connection, overall: int | None, *, principal: Principal, source: str) -> None:
    """Change the limit for all missions without agents, with an event; the caller grants slots after the commit."""
    await lock_line(connection)
    before = await connection.scalar(_OVERALL)
    if before == overall:
        return
    values = {"overall": overall, "changed_by": principal.model_dump(mode="json"), "modified_at": func.now()}
    await connection.execute(
        insert(slot_limits).values(only=True, **values).on_conflict_do_update(index_elements=["only"], set_=values)
    )
    payload = QueueLimitsChanged(overall=overall, before=before)
    await events.append(connection, [event(payload, source=source, actor=principal)])


_OVERALL = text("SELECT overall FROM slot_limits")
_RECIPES = text(
    """
    WITH used AS (
        SELECT type_name AS name, count(*) FILTER (WHERE held) AS running, count(*) FILTER (WHERE NOT held) AS waiting
        FROM slots GROUP BY type_name
    ), limited AS (SELECT name, max_concurrent FROM work_process_type WHERE max_concurrent IS NOT NULL)
    SELECT name, max_concurrent, coalesce(running, 0) AS running, coalesce(waiting, 0) AS waiting
    FROM used FULL JOIN limited USING (name) ORDER BY name
    """
)
