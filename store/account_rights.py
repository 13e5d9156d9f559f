"""What an agent's account may do follows from its row; a change is noted with its cause and carried out afterwards.

So no call to the broker is made while rows are locked, and none is forgotten: the note goes when the rights are set.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text, update

from store.database import Connection
from store.tables import agents

CHANNEL = "muster_account_rights"
"""Told after the commit that there are rights to be set."""

_LOCK = 0x72696768


@dataclass(frozen=True)
class Standing:
    """What the rights of an agent's account depend on. `yard_uid`: the yard that it may publish for."""

    agent_id: int
    uuid: str
    username: str
    protocol: str
    yard_uid: str | None
    followers: list[str]
    changed_at: datetime | None


async def standing(connection: Connection, agent_id: int) -> Standing:
    """Of one agent, with or without an account."""
    return Standing(*(await connection.execute(_STANDING, {"ids": [agent_id]})).one())


async def due(connection: Connection, limit: int) -> list[Standing]:
    """The accounts whose rights are still to be set; none while another process sets them (until this commits)."""
    if not await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
        return []
    ids = (await connection.execute(_DUE, {"limit": limit})).scalars().all()
    return [Standing(*row) for row in await connection.execute(_STANDING, {"ids": list(ids)})]


async def changed(connection: Connection, agent_ids: Collection[int]) -> None:
    """Note that the rights of these agents' accounts are to be set anew. Their rows are locked. Then: notify CHANNEL.

    An account that we did not make is left alone.
    """
    await connection.execute(_CHANGED, {"ids": list(agent_ids)})


async def done(connection: Connection, standing: Standing) -> None:
    """The rights are set as this says; what changed meanwhile stays noted."""
    await connection.execute(_DONE, {"id_": standing.agent_id, "seen": standing.changed_at})


_STANDING = text(
    """
    SELECT a.id, a.uuid, coalesce(a.rbmq_username, a.uuid), a.protocol,
        CASE WHEN a.agent_class IN ('tool', 'assistant') THEN yards.uid END,
        ARRAY(
            SELECT follower.uuid FROM agents_interconnections AS link
            JOIN agents AS follower ON follower.id = link.follower_id
            WHERE link.leader_id = a.id ORDER BY follower.id
        ), a.rights_changed_at
    FROM agents AS a LEFT JOIN yards ON yards.id = a.yard_id
    WHERE a.id = ANY(CAST(:ids AS bigint[])) ORDER BY a.id
    """
)
_DUE = text("SELECT id FROM agents WHERE rights_changed_at IS NOT NULL ORDER BY id LIMIT :limit")
_CHANGED = text(
    "UPDATE agents SET rights_changed_at = clock_timestamp()"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND has_rbmq_account"
)
_DONE = (
    update(agents)
    .where(agents.c.id == bindparam("id_"), agents.c.rights_changed_at == bindparam("seen"))
    .values(rights_changed_at=None)
)
