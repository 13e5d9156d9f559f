"""Yards: where agents work, with the map that services get."""

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import func, insert, select, update

from missions.errors import Conflict
from missions.event_catalogue import event
from missions.event_payloads.configuration import YardChanged
from missions.events import Action
from missions.principals import Principal
from missions.transitions import WORK_PROCESS_ENDED
from store import events
from store.connection import Connection
from store.map_objects import unknown_yard
from store.rows import Row, all_rows, one_row
from store.tables import agents, map_objects, work_processes, yards


async def create(connection: Connection, values: Row, *, principal: Principal, source: str) -> int:
    """Store a yard (columns of the table) and its event; raises Conflict if its uid is taken."""
    try:
        yard_id: int | None = await connection.scalar(insert(yards).values(**values).returning(yards.c.id))
    except IntegrityConstraintViolationError as error:
        raise _conflict(error.constraint_name, values) or error from error
    assert yard_id is not None
    await _tell(connection, Action.CREATED, yard_id, values["uid"], principal, source)
    return yard_id


async def patch(connection: Connection, yard_id: int, values: Row, *, principal: Principal, source: str) -> None:
    """Change columns of a yard, with an event; raises NotFound, Conflict."""
    try:
        uid = await connection.scalar(
            update(yards)
            .where(yards.c.id == yard_id, yards.c.deleted_at.is_(None))
            .values(modified_at=func.now(), **values)
            .returning(yards.c.uid)
        )
    except IntegrityConstraintViolationError as error:
        raise _conflict(error.constraint_name, values) or error from error
    if uid is None:
        raise unknown_yard(yard_id)
    await _tell(connection, Action.UPDATED, yard_id, uid, principal, source)


async def remove(connection: Connection, yard_id: int, *, principal: Principal, source: str) -> None:
    """Delete a yard that nobody uses, with an event. Its row stays for the missions of the past; its uid gets free.

    Raises NotFound, Conflict while agents or open missions are in it.
    """
    uid = await _locked_uid(connection, yard_id)
    for what, query in (
        ("agents", select(agents.c.id).where(agents.c.yard_id == yard_id)),
        (
            "open missions",
            select(work_processes.c.id).where(
                (work_processes.c.yard_id == yard_id)
                | (work_processes.c.agent_selector["yardId"].astext == str(yard_id)),
                work_processes.c.status.not_in(WORK_PROCESS_ENDED),
            ),
        ),
    ):
        users = list((await connection.execute(query.limit(5))).scalars())
        if users:
            raise Conflict(
                f"yard {yard_id} has {what}: {', '.join(map(str, users))}",
                field="id",
                value=yard_id,
                remedy=f"move or end its {what} first",
            )
    await connection.execute(
        update(yards)
        .where(yards.c.id == yard_id)
        # No uid that clients may choose contains a tilde.
        .values(deleted_at=func.now(), uid=yards.c.uid + f"~{yard_id}")
    )
    await _tell(connection, Action.DELETED, yard_id, uid, principal, source)


async def _locked_uid(connection: Connection, yard_id: int) -> str:
    query = select(yards.c.uid).where(yards.c.id == yard_id, yards.c.deleted_at.is_(None)).with_for_update()
    uid: str | None = await connection.scalar(query)
    if uid is None:
        raise unknown_yard(yard_id)
    return uid


async def get(connection: Connection, yard_id: int) -> tuple[Row, list[Row]]:
    """One yard and its map objects; raises NotFound."""
    row = await one_row(connection, select(yards).where(yards.c.id == yard_id, yards.c.deleted_at.is_(None)))
    if row is None:
        raise unknown_yard(yard_id)
    query = (
        select(map_objects)
        .where(map_objects.c.yard_id == yard_id, map_objects.c.deleted_at.is_(None))
        .order_by(map_objects.c.id)
    )
    return row, await all_rows(connection, query)


async def page(connection: Connection, *, after: int, limit: int, uid: str | None = None) -> list[Row]:
    """Yards in the order of their ids, without their maps."""
    columns = [column for column in yards.c if column.name != "map_data"]
    query = select(*columns).where(yards.c.id > after, yards.c.deleted_at.is_(None)).order_by(yards.c.id).limit(limit)
    if uid is not None:
        query = query.where(yards.c.uid == uid)
    return await all_rows(connection, query)


def _conflict(constraint: str, values: Row) -> Conflict | None:
    if constraint != "uq_yards_uid":
        return None
    return Conflict(
        f"there is a yard {values['uid']!r} already",
        field="uid",
        value=values["uid"],
        remedy="use another uid, or change that yard (PATCH)",
    )


async def _tell(
    connection: Connection, action: Action, yard_id: int, uid: str, principal: Principal, source: str
) -> None:
    payload = YardChanged(yard_id=yard_id, yard_uid=uid, action=action)
    await events.append(connection, [event(payload, source=source, actor=principal)])
