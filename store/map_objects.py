"""Map objects: the things on a yard's map. A deleted one keeps its row, as in helyOS."""

import json
from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, select, text, update

from missions.errors import NotFound
from missions.event_catalogue import event
from missions.event_payloads.configuration import YardMapUpdated
from missions.events import Action
from missions.map_answers import MapChange
from missions.principals import Principal
from store import events
from store.connection import Connection
from store.rows import Row, all_rows, one_row
from store.tables import map_objects, yards

# One statement for any number: a map may have 100,000 objects.
_ADD = text(
    """
    INSERT INTO map_objects (yard_id, type, name, data, data_format, metadata)
    SELECT :yard, type, name, data, data_format, metadata
    FROM jsonb_populate_recordset(CAST(NULL AS map_objects), CAST(:objects AS jsonb)) WITH ORDINALITY
    ORDER BY ordinality
    RETURNING id
    """
)


async def add(connection: Connection, yard_id: int, objects: Sequence[Row]) -> list[int]:
    """Put map objects on the yard's map; returns their ids, in order."""
    if not objects:
        return []
    added = await connection.execute(_ADD, {"yard": yard_id, "objects": json.dumps(objects)})
    return sorted(added.scalars())


async def replace(connection: Connection, yard_id: int, objects: Sequence[Row]) -> None:
    """Give the yard these map objects and no others."""
    await connection.execute(
        update(map_objects)
        .where(map_objects.c.yard_id == yard_id, map_objects.c.deleted_at.is_(None))
        .values(deleted_at=func.now())
    )
    await add(connection, yard_id, objects)


async def change_map(connection: Connection, yard_id: int, change: MapChange) -> None:
    """Write what a map server answered; the caller appends the event."""
    # First the yard's row: its lock makes two changes of one map come one after the other.
    await connection.execute(update(yards).where(yards.c.id == yard_id).values(modified_at=func.now(), **change.yard))
    if change.replaces:
        await replace(connection, yard_id, change.objects)
    else:
        await add(connection, yard_id, change.objects)


async def create(
    connection: Connection, yard_id: int, objects: Sequence[Row], *, principal: Principal, source: str
) -> list[int]:
    """Add map objects, with an event; returns their ids. Raises NotFound."""
    uid = await _locked_yard(connection, yard_id)
    ids = await add(connection, yard_id, objects)
    if ids:
        await _tell(connection, Action.CREATED, yard_id, uid, ids, principal, source)
    return ids


async def of_ids(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """The rows of these map objects, but those that were deleted."""
    # As one array: a statement takes 32,767 parameters at most.
    these = map_objects.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    query = select(map_objects).where(these, map_objects.c.deleted_at.is_(None))
    return await all_rows(connection, query.order_by(map_objects.c.id))


async def patch(
    connection: Connection, yard_id: int, object_id: int, values: Row, *, principal: Principal, source: str
) -> Row:
    """Change columns of a map object, with an event; returns its row. Raises NotFound."""
    uid = await _locked_yard(connection, yard_id)
    if values:
        await connection.execute(update(map_objects).where(*_this(yard_id, object_id)).values(**values))
    row = await get(connection, yard_id, object_id)
    if values:
        await _tell(connection, Action.UPDATED, yard_id, uid, [object_id], principal, source)
    return row


_PATCH_IN = """
    UPDATE map_objects AS object SET
        type = CASE WHEN said ? 'type' THEN said ->> 'type' ELSE object.type END,
        name = CASE WHEN said ? 'name' THEN said ->> 'name' ELSE object.name END,
        data = CASE WHEN said ? 'data' THEN nullif(said -> 'data', 'null') ELSE object.data END,
        data_format = CASE WHEN said ? 'data_format' THEN said ->> 'data_format' ELSE object.data_format END,
        metadata = CASE WHEN said ? 'metadata' THEN nullif(said -> 'metadata', 'null') ELSE object.metadata END,
        modified_at = now()
    FROM jsonb_array_elements(CAST(:objects AS jsonb)) AS said
    WHERE object.id = CAST(said ->> 'id' AS bigint) AND object.yard_id = {yard} AND object.deleted_at IS NULL
    RETURNING object.id
"""
_PATCH = text(_PATCH_IN.format(yard=":yard"))
_PATCH_SEEN = text(_PATCH_IN.format(yard="CAST(said ->> 'yard_id' AS bigint)"))


async def patch_seen(connection: Connection, objects: Sequence[Row]) -> None:
    """Change map objects by `id` and `yard_id`, as they are seen, without an event; unknown ones are left out."""
    if objects:
        await connection.execute(_PATCH_SEEN, {"objects": json.dumps(objects)})


async def patch_many(
    connection: Connection, yard_id: int, objects: Sequence[Row], *, principal: Principal, source: str
) -> list[int]:
    """Change map objects by their `id`, in one statement and event; returns the ids. Raises NotFound for any."""
    uid = await _locked_yard(connection, yard_id)
    ids = set((await connection.execute(_PATCH, {"yard": yard_id, "objects": json.dumps(objects)})).scalars())
    for values in objects:
        if values.get("id") not in ids:
            raise NotFound(
                f"the yard has no map object {values.get('id')!r}",
                field="data.id",
                value=values.get("id"),
                remedy="read the yard's map objects to find their ids",
            )
    if ids:
        await _tell(connection, Action.UPDATED, yard_id, uid, sorted(ids), principal, source)
    return sorted(ids)


async def remove_many(
    connection: Connection, yard_id: int, ids: Sequence[int], *, principal: Principal, source: str
) -> list[int]:
    """Take these map objects off the map, in one statement and event; returns the ids of those that were on it."""
    uid = await _locked_yard(connection, yard_id)
    removed = await connection.execute(
        update(map_objects)
        .where(
            map_objects.c.id == any_(literal(list(ids), ARRAY(BigInteger))),
            map_objects.c.yard_id == yard_id,
            map_objects.c.deleted_at.is_(None),
        )
        .values(deleted_at=func.now())
        .returning(map_objects.c.id)
    )
    gone = sorted(removed.scalars())
    if gone:
        await _tell(connection, Action.DELETED, yard_id, uid, gone, principal, source)
    return gone


async def remove(connection: Connection, yard_id: int, object_id: int, *, principal: Principal, source: str) -> None:
    """Take a map object off the map, with an event; raises NotFound."""
    uid = await _locked_yard(connection, yard_id)
    await get(connection, yard_id, object_id)
    await connection.execute(update(map_objects).where(map_objects.c.id == object_id).values(deleted_at=func.now()))
    await _tell(connection, Action.DELETED, yard_id, uid, [object_id], principal, source)


async def get(connection: Connection, yard_id: int, object_id: int) -> Row:
    """One map object; raises NotFound."""
    row = await one_row(connection, select(map_objects).where(*_this(yard_id, object_id)))
    if row is None:
        raise NotFound(
            f"yard {yard_id} has no map object {object_id}",
            field="objectId",
            value=object_id,
            remedy="list the yard's map objects to find its id",
        )
    return row


async def page(
    connection: Connection, yard_id: int, *, after: int, limit: int, object_type: str | None = None
) -> list[Row]:
    """Map objects of a yard in the order of their ids; raises NotFound for the yard."""
    if await connection.scalar(select(yards.c.id).where(yards.c.id == yard_id, yards.c.deleted_at.is_(None))) is None:
        raise unknown_yard(yard_id)
    query = (
        select(map_objects)
        .where(map_objects.c.yard_id == yard_id, map_objects.c.deleted_at.is_(None), map_objects.c.id > after)
        .order_by(map_objects.c.id)
        .limit(limit)
    )
    if object_type is not None:
        query = query.where(map_objects.c.type == object_type)
    return await all_rows(connection, query)


def unknown_yard(yard_id: int) -> NotFound:
    """There is no such yard."""
    return NotFound(f"yard {yard_id} does not exist", field="id", value=yard_id, remedy="list the yards to find its id")


def _this(yard_id: int, object_id: int) -> tuple[ColumnElement[bool], ...]:
    return map_objects.c.id == object_id, map_objects.c.yard_id == yard_id, map_objects.c.deleted_at.is_(None)


async def _locked_yard(connection: Connection, yard_id: int) -> str:
    query = (
        select(yards.c.uid)
        .where(yards.c.id == yard_id, yards.c.deleted_at.is_(None))
        .with_for_update(key_share=True)  # agents may check in meanwhile
    )
    uid: str | None = await connection.scalar(query)
    if uid is None:
        raise unknown_yard(yard_id)
    return uid


async def _tell(
    connection: Connection,
    action: Action,
    yard_id: int,
    uid: str,
    ids: Sequence[int],
    principal: Principal,
    source: str,
) -> None:
    payload = YardMapUpdated(
        yard_id=yard_id,
        yard_uid=uid,
        action=action,
        map_objects=len(ids),
        map_object_id=ids[0] if len(ids) == 1 else None,
    )
    await events.append(connection, [event(payload, source=source, actor=principal)])
