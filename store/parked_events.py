"""Events that an outlet could not deliver while others passed: kept whole, until they are replayed or given up."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select, text, update

from missions.errors import Conflict, NotFound
from missions.events import Event, utc_now
from missions.principals import Principal
from store.connection import Connection
from store.event_tables import parked_events
from store.rows import Row, all_rows, one_row
from store.tables import Json


@dataclass(frozen=True)
class ToReplay:
    """A parked event that somebody wants to be tried again."""

    id: int
    event: Event


async def park(connection: Connection, outlet: str, event: Event, error: str, tries: int) -> None:
    """Put the next event of an outlet aside; the outlet has then got past it. In one statement, hence both or none."""
    await connection.execute(
        _PARK,
        {
            "outlet": outlet,
            "position": event.sequence,
            "uuid": event.id,
            "type": event.type,
            "event": event.model_dump(mode="json"),
            "error": error,
            "tries": tries,
        },
    )


async def next_to_replay(connection: Connection, outlet: str) -> ToReplay | None:
    """The oldest parked event of the outlet that is to be replayed."""
    row = (await connection.execute(_NEXT_TO_REPLAY, {"outlet": outlet})).one_or_none()
    return None if row is None else ToReplay(row.id, Event.model_validate(row.event))


async def replayed(connection: Connection, parked_id: int) -> None:
    """It was delivered after all."""
    await connection.execute(_REPLAYED, {"id": parked_id})


async def refused_again(connection: Connection, parked_id: int, error: str) -> None:
    """It was tried once more, in vain."""
    await connection.execute(_REFUSED_AGAIN, {"id": parked_id, "error": error})


async def page(connection: Connection, *, outlet: str | None, before: int | None, limit: int) -> list[Row]:
    """Those parked, newest first, also what was replayed since."""
    query = select(*_SHOWN).order_by(parked_events.c.id.desc()).limit(limit)
    if outlet is not None:
        query = query.where(parked_events.c.outlet == outlet)
    if before is not None:
        query = query.where(parked_events.c.id < before)
    return await all_rows(connection, query)


async def request_replay(connection: Connection, parked_id: int, principal: Principal) -> Row:
    """Have it tried again by its outlet, which is to be told after the commit.

    Asked twice it is tried once. Raises NotFound, or Conflict if it was delivered.
    """
    row = await one_row(connection, select(*_SHOWN).where(parked_events.c.id == parked_id).with_for_update())
    if row is None:
        raise _unknown(parked_id)
    if row["replayed_at"] is not None:
        raise Conflict(
            f"event {row['event_id']} was delivered at {row['replayed_at'].isoformat()}",
            field="id",
            value=parked_id,
            remedy="nothing is left to do; DELETE removes it from this list",
        )
    if row["replay_requested_at"] is not None:
        return row
    changed = await connection.execute(
        update(parked_events)
        .where(parked_events.c.id == parked_id)
        .values(replay_requested_at=utc_now(), replay_requested_by=principal.model_dump(mode="json"))
        .returning(*_SHOWN)
    )
    return changed.one()._asdict()


async def give_up(connection: Connection, parked_id: int) -> None:
    """Forget it; raises NotFound."""
    if not await connection.affected(delete(parked_events).where(parked_events.c.id == parked_id)):
        raise _unknown(parked_id)


def _unknown(parked_id: int) -> NotFound:
    return NotFound(
        f"there is no parked event {parked_id}",
        field="id",
        value=parked_id,
        remedy="list them with GET /api/v1/events/parked; its id is not the event's",
    )


_SHOWN = [column for column in parked_events.c if column.name != "replay_requested_by"]

_PARK = text(
    """
    WITH parked AS (
        INSERT INTO parked_events (outlet, sequence, event_id, type, event, error, tries)
        VALUES (:outlet, :position, CAST(:uuid AS uuid), :type, :event, :error, :tries)
        ON CONFLICT (outlet, sequence) DO NOTHING
    )
    UPDATE event_outlets SET position = :position, error = NULL, error_since = NULL, tries = 0 WHERE name = :outlet
    """
).bindparams(bindparam("event", type_=Json))
_NEXT_TO_REPLAY = text(
    """
    SELECT id, event FROM parked_events WHERE outlet = :outlet AND replay_requested_at IS NOT NULL ORDER BY id LIMIT 1
    """
)
_REPLAYED = text("UPDATE parked_events SET replayed_at = now(), replay_requested_at = NULL WHERE id = :id")
_REFUSED_AGAIN = text(
    "UPDATE parked_events SET replay_requested_at = NULL, error = :error, tries = tries + 1 WHERE id = :id"
)
