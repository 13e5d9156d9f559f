"""Which platform an instrument hangs on: an agent's parent, and what it must be."""

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import select, text

from missions.errors import Conflict, InvalidInput
from store.connection import Connection
from store.rows import Row
from store.tables import agents


async def resolved(connection: Connection, values: Row) -> Row:
    """Columns of an agent, with `parent_id` for the `parent_uuid` among them; raises InvalidInput if it is unknown."""
    for name, field, column in (("parent_uuid", "parentUuid", agents.c.uuid), ("parent_id", "parentId", agents.c.id)):
        wanted = values.get(name)
        if wanted is None:
            continue
        parent_id = await connection.scalar(select(agents.c.id).where(column == wanted))
        if parent_id is None:
            raise InvalidInput(f"there is no agent with {field} {wanted!r}", field=field, value=wanted, remedy=_REMEDY)
        values = values | {"parent_id": parent_id}
    if "parent_uuid" in values:
        values = {"parent_id": None} | values
    return {name: value for name, value in values.items() if name != "parent_uuid"}


async def refuse_unfit(connection: Connection, agent_id: int) -> None:
    """Raise InvalidInput, Conflict unless an agent, as it was just written, and its parent and children fit.

    After the write: its foreign key holds the parent's row, which whoever makes another class of it holds too.
    """
    row = (await connection.execute(_FAMILY, {"id": agent_id})).one()
    if row.parent_id is not None and row.agent_class != "instrument":
        raise InvalidInput(
            f"an agent of the class {row.agent_class} hangs on no platform",
            field="parentId",
            value=row.parent_id,
            remedy="send `agentClass` as instrument, or `parentId` as null",
        )
    if row.parent_id is not None and row.parent_class != "platform":
        raise InvalidInput(
            f"agent {row.parent_id} is a {row.parent_class}, no platform",
            field="parentId",
            value=row.parent_id,
            remedy=_REMEDY,
        )
    if row.agent_class != "platform" and row.has_children:
        raise Conflict(
            f"agent {agent_id} is the platform of instruments",
            field="agentClass",
            value=row.agent_class,
            remedy="give its instruments another platform, or none (`parentId`), first",
        )
    if row.agent_class != "platform" and row.runs:
        raise Conflict(
            f"agent {agent_id} is a platform that runs missions",
            field="agentClass",
            value=row.agent_class,
            remedy="wait until they end, or abort them, first",
        )


def same_name(error: IntegrityConstraintViolationError, values: Row) -> Conflict | None:
    """The refusal of a uuid or an alias that another agent has; None: it is not that."""
    named = {"uq_agents_uuid": "uuid", "uq_agents_alias": "alias"}.get(str(error.constraint_name))
    if named is None:
        return None
    return Conflict(
        f"there is an agent with the {named} {values[named]!r} already",
        field=named,
        value=values[named],
        remedy=f"use another {named}, or change that agent (PATCH)",
    )


_REMEDY = "list the platforms (GET /api/v1/platforms) and use one of them"
_FAMILY = text(
    """
    SELECT agent.agent_class, agent.parent_id, parent.agent_class AS parent_class,
        EXISTS (SELECT FROM agents WHERE parent_id = agent.id) AS has_children,
        EXISTS (SELECT FROM mission_files WHERE platform_id = agent.id AND running) AS runs
    FROM agents AS agent LEFT JOIN agents AS parent ON parent.id = agent.parent_id
    WHERE agent.id = :id
    """
)
