"""Who drives whom: a leader names its followers, and may speak for them from then on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, delete, insert, or_, select

from missions.statuses import AgentClass
from store import account_rights, events
from store.agents import updated
from store.connection import Connection
from store.tables import agents, agents_interconnections

links = agents_interconnections.c


@dataclass(frozen=True)
class Followers:
    """Whom an agent may lead of those that it names, by id; `changed`: these are others than before.

    `ignored`: how many it may not lead, by reason.
    """

    wanted: Mapping[int, str]
    before: frozenset[int]
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> bool:
        """Whether these are others than before."""
        return self.wanted.keys() != self.before


async def look(connection: Connection, named: Mapping[int, Sequence[str]]) -> dict[int, Followers]:
    """Whom each of these leaders would lead, by its id: two reads for all of them, no lock."""
    return await _decide(connection, named, _agents_of(named))


async def follow(connection: Connection, leader_id: int, named: Sequence[str]) -> Followers:
    """Make these, and no others, the followers of an agent, with an event if that changes something.

    Left out: agents that are unknown, in another yard, assistants, or follow another leader. Locks all of them. The
    rights of the leader's account are noted to be set.
    """
    naming = {leader_id: named}
    found = (await _decide(connection, naming, _agents_of(naming).with_for_update(key_share=True)))[leader_id]
    gone, new = found.before - found.wanted.keys(), found.wanted.keys() - found.before
    if gone:
        await connection.execute(
            delete(agents_interconnections).where(links.leader_id == leader_id, links.follower_id.in_(gone))
        )
    if new:
        await connection.execute(
            insert(agents_interconnections), [{"leader_id": leader_id, "follower_id": one} for one in sorted(new)]
        )
    if gone or new:
        uuid: str = (await connection.execute(select(agents.c.uuid).where(agents.c.id == leader_id))).scalar_one()
        await account_rights.changed(connection, [leader_id])
        await events.append(connection, [updated(leader_id, uuid, ["followers"])])
    return found


def _agents_of(named: Mapping[int, Sequence[str]]) -> Select[Any]:
    uuids = {uuid for some in named.values() for uuid in some}
    return (
        select(agents.c.id, agents.c.uuid, agents.c.yard_id, agents.c.agent_class)
        .where(or_(agents.c.id.in_(named), agents.c.uuid.in_(uuids)))
        .order_by(agents.c.id)
    )


async def _decide(
    connection: Connection, named: Mapping[int, Sequence[str]], query: Select[Any]
) -> dict[int, Followers]:
    rows = (await connection.execute(query)).all()
    by_uuid, by_id = {row.uuid: row for row in rows}, {row.id: row for row in rows}
    links_now = (
        await connection.execute(
            select(links.leader_id, links.follower_id).where(
                or_(links.leader_id.in_(named), links.follower_id.in_(by_id))
            )
        )
    ).all()
    return {leader_id: _of(by_id[leader_id], uuids, by_uuid, links_now) for leader_id, uuids in named.items()}


def _of(leader: Any, named: Sequence[str], known: Mapping[str, Any], links_now: Sequence[Any]) -> Followers:
    led_by_others = {link.follower_id for link in links_now if link.leader_id != leader.id}
    ignored: Counter[str] = Counter()
    wanted: dict[int, str] = {}
    for uuid in named:
        row = known.get(uuid)
        if row is None:
            ignored["unknown_agent"] += 1
        elif row.id == leader.id:
            ignored["itself"] += 1
        elif leader.yard_id is None or row.yard_id != leader.yard_id:
            ignored["another_yard"] += 1
        elif row.agent_class == AgentClass.ASSISTANT:
            # Whoever speaks for it could read and change what its own class may not.
            ignored["assistant"] += 1
        elif row.id in led_by_others:
            ignored["another_leader"] += 1
        else:
            wanted[row.id] = uuid
    before = frozenset(link.follower_id for link in links_now if link.leader_id == leader.id)
    return Followers(wanted, before, ignored)
