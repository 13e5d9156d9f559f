"""Ends what binds leaders and followers, when one of them leaves the yard or may not be led any more."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from store import account_rights
from store.connection import Connection


async def lock_with_leader(
    connection: Connection, *, agent_id: int | None = None, uuid: str | None = None
) -> Mapping[str, Any] | None:
    """Lock an agent and its leader, in id order; returns the agent's row, None if it is not known.

    Whoever changes a link holds its leader's row.
    """
    rows = (await connection.execute(_LOCK, {"id": agent_id, "uuid": uuid})).mappings()
    return next((dict(row) for row in rows if agent_id == row["id"] or uuid == row["uuid"]), None)


async def part(connection: Connection, agent_id: int, *, as_leader: bool) -> dict[int, str]:
    """Take an agent from its leader, and with `as_leader` also its followers from it; returns the leaders by id.

    The rights of their accounts are noted to be set. They are locked, by `lock_with_leader`.
    """
    parted = await connection.execute(_PART, {"id": agent_id, "as_leader": as_leader})
    leaders = {row.leader_id: row.uuid for row in parted}
    if leaders:
        await account_rights.changed(connection, leaders)
    return leaders


_LOCK = text(
    """
    SELECT id, uuid, status, yard_id, protocol, agent_class FROM agents
    WHERE id = ANY(ARRAY(
        SELECT id FROM agents WHERE id = CAST(:id AS bigint) OR uuid = CAST(:uuid AS text)
        UNION ALL
        SELECT link.leader_id FROM agents_interconnections AS link JOIN agents AS led ON led.id = link.follower_id
        WHERE led.id = CAST(:id AS bigint) OR led.uuid = CAST(:uuid AS text)
    ))
    ORDER BY id FOR NO KEY UPDATE
    """
)
_PART = text(
    """
    DELETE FROM agents_interconnections AS link USING agents AS leader
    WHERE leader.id = link.leader_id AND (
        link.follower_id = CAST(:id AS bigint) OR (CAST(:as_leader AS boolean) AND link.leader_id = CAST(:id AS bigint))
    )
    RETURNING leader.id AS leader_id, leader.uuid
    """
)
