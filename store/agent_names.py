"""An agent's names, uuid and alias: nobody else has them, with or without the `PRE:` of mission files."""

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import text

from missions.errors import Conflict
from missions.mission_files.plan import PREFIX, plain_id
from store.connection import Connection
from store.rows import Row


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


async def refuse_taken(connection: Connection, agent_id: int, names: Row) -> None:
    """Raise Conflict if a `uuid` or `alias` among these columns means another agent than this one too."""
    for field in names.keys() & {"uuid", "alias"}:
        if names[field] is None:
            continue
        plain = plain_id(names[field])
        wanted = {"id": agent_id, "uuid": plain, "aliases": [plain, PREFIX + plain]}
        other = (await connection.execute(_OTHER, wanted)).one_or_none()
        if other is not None:
            shown = other.uuid if other.alias is None else f"{other.uuid} (alias {other.alias})"
            raise Conflict(
                f"{names[field]!r} would be another name of agent {shown} too",
                field=field,
                value=names[field],
                remedy=f"use another {field}, or change that agent (PATCH); a `{PREFIX}` makes no difference",
            )


_OTHER = text(
    """
    SELECT uuid, alias FROM agents
    WHERE id <> :id AND (uuid = :uuid OR alias = ANY(CAST(:aliases AS text[]))) ORDER BY id LIMIT 1
    """
)
