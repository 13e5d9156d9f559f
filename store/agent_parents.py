"""Which platform an instrument hangs on: an agent's parent, and what it must be."""

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


async def refuse_unfit(connection: Connection, agent_id: int, sent: Row) -> None:
    """Raise InvalidInput, Conflict unless an agent, as it was just written, and its parent and children fit.

    `sent`: what the client sent of it, with `parent_uuid`.
    After the write: its foreign key holds the parent's row, which whoever makes another class of it holds too.
    """
    row = (await connection.execute(_FAMILY, {"id": agent_id})).one()
    column = next((name for name in ("parent_uuid", "parent_id") if sent.get(name) is not None), "agent_class")
    if row.parent_id is not None and row.agent_class != "instrument":
        raise InvalidInput(
            f"an agent of the class {row.agent_class} hangs on no platform",
            field=_FIELDS[column],
            value=sent.get(column, row.agent_class),
            remedy="send `agentClass` as instrument, or `parentId` as null",
        )
    if row.parent_id is not None and row.parent_class != "platform":
        raise InvalidInput(
            f"agent {row.parent_uuid} (id {row.parent_id}) is of the class {row.parent_class}, no platform",
            field=_FIELDS[column],
            value=sent.get(column),
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


async def refuse_while_used(connection: Connection, agent_id: int, uuid: str, changed: Row, sent: Row) -> None:
    """Raise Conflict if a mission file that runs has this instrument, and its family, alias or class would change.

    The caller holds the agent's row for update, which whoever accepts a mission file shares.
    """
    found = next((name for name in ("parent_id", "alias", "agent_class") if name in changed), None)
    if found is None:
        return
    mission = (await connection.execute(_USED, {"id": agent_id})).one_or_none()
    if mission is not None:
        column = "parent_uuid" if found == "parent_id" and "parent_uuid" in sent else found
        raise Conflict(
            f"instrument {uuid} is in use by mission file {mission.plan_id} of platform {mission.platform} "
            f"(work process {mission.work_process_id})",
            field=_FIELDS[column],
            value=sent[column],
            remedy=f"wait until mission {mission.plan_id} has ended, or abort it, first",
        )


_FIELDS = {"parent_uuid": "parentUuid", "parent_id": "parentId", "alias": "alias", "agent_class": "agentClass"}
_REMEDY = "list the platforms (GET /api/v1/platforms) and use one of them"
_FAMILY = text(
    """
    SELECT agent.agent_class, agent.parent_id, parent.agent_class AS parent_class,
        parent.uuid AS parent_uuid,
        EXISTS (SELECT FROM agents WHERE parent_id = agent.id) AS has_children,
        EXISTS (SELECT FROM mission_files WHERE platform_id = agent.id AND running) AS runs
    FROM agents AS agent LEFT JOIN agents AS parent ON parent.id = agent.parent_id
    WHERE agent.id = :id
    """
)
_USED = text(
    """
    SELECT file.plan_id, file.work_process_id, platform.uuid AS platform
    FROM mission_files AS file
    JOIN work_processes AS mission ON mission.id = file.work_process_id
    JOIN agents AS platform ON platform.id = file.platform_id
    WHERE file.running AND CAST(:id AS bigint) = ANY(mission.agent_ids) ORDER BY mission.id LIMIT 1
    """
)
