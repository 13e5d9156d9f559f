"""What an agent's account may do follows from its row; a change is noted with its cause and carried out afterwards.

So no call to the broker is made while rows are locked, and none is forgotten: the note goes when the rights are set.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, text, update

from store.connection import Connection
from store.database import Database
from store.tables import agents

CHANNEL = "muster_account_rights"
"""Told after the commit that there are rights to be set."""

SEERS = ("tool", "assistant")
"""The classes whose rights depend on their yard."""

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

    def same_rights(self, other: "Standing") -> bool:
        """Whether both lead to the same rights."""
        return replace(self, changed_at=None, username="") == replace(other, changed_at=None, username="")


async def standing(connection: Connection, agent_id: int) -> Standing:
    """Of one agent, with or without an account."""
    return Standing(*(await connection.execute(_STANDING, {"ids": [agent_id]})).one())


@asynccontextmanager
async def turn(database: Database) -> AsyncIterator[bool]:
    """Whether it is this process's turn to set rights, until the end of this context; no transaction is left open."""
    async with database.statement() as connection:
        mine = bool(await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}))
        try:
            yield mine
        finally:
            if mine:
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


async def due(connection: Connection, limit: int) -> list[Standing]:
    """The accounts whose rights are still to be set, the oldest note first."""
    ids = (await connection.execute(_DUE, {"limit": limit})).scalars().all()
    found = {row.id: Standing(*row) for row in await connection.execute(_STANDING, {"ids": list(ids)})}
    return [found[each] for each in ids if each in found]


async def changed(connection: Connection, agent_ids: Collection[int]) -> None:
    """Note that the rights of these agents' accounts are to be set anew. Their rows are locked. Then: notify CHANNEL.

    Also where there is no account: one may be in the making, with the rights of a moment ago. An account that we did
    not make is left alone.
    """
    await connection.execute(_CHANGED, {"ids": list(agent_ids)})


async def postpone(connection: Connection, standing: Standing) -> None:
    """These rights could not be set: the others come first."""
    await connection.execute(_CHANGED, {"ids": [standing.agent_id]})


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
_DUE = text(
    "SELECT id FROM agents WHERE rights_changed_at IS NOT NULL AND has_rbmq_account"
    " ORDER BY rights_changed_at, id LIMIT :limit"
)
_CHANGED = text("UPDATE agents SET rights_changed_at = clock_timestamp() WHERE id = ANY(CAST(:ids AS bigint[]))")
_DONE = (
    update(agents)
    .where(agents.c.id == bindparam("id_"), agents.c.rights_changed_at == bindparam("seen"))
    .values(rights_changed_at=None)
)
