"""Who drives whom: a leader names its followers, and may speak for them from then on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, select

from store import events, message_counts
from store.agents import updated
from store.database import Connection
from store.tables import agents, agents_interconnections

links = agents_interconnections.c


@dataclass(frozen=True)
class Followers:
    """The followers of one leader, by uuid. `changed`: these are others than before."""

    uuids: list[str]
    changed: bool


async def of_leader(connection: Connection, leader_id: int) -> list[str]:
    """The uuids of its followers."""
    query = select(agents.c.uuid).join(agents_interconnections, links.follower_id == agents.c.id)
    return list((await connection.execute(query.where(links.leader_id == leader_id).order_by(agents.c.id))).scalars())


async def follow(connection: Connection, leader_id: int, named: Sequence[str]) -> Followers:
    """Make these, and no others, the followers of an agent, with an event if that changes something.

    Left out and counted: agents that are unknown, in another yard, or follow another leader. Locks all of them.
    """
    rows = await connection.execute(
        select(agents.c.id, agents.c.uuid, agents.c.yard_id)
        .where(or_(agents.c.id == leader_id, agents.c.uuid.in_(named)))
        .order_by(agents.c.id)
        .with_for_update(key_share=True)
    )
    known = {row.uuid: row for row in rows}
    leader = next(row for row in known.values() if row.id == leader_id)
    links_now = (
        await connection.execute(
            select(links.leader_id, links.follower_id).where(
                or_(links.leader_id == leader_id, links.follower_id.in_([row.id for row in known.values()]))
            )
        )
    ).all()
    led = {row.follower_id for row in links_now if row.leader_id != leader_id}
    before = {row.follower_id for row in links_now if row.leader_id == leader_id}

    ignored: Counter[str] = Counter()
    wanted: dict[int, str] = {}
    for uuid in named:
        row = known.get(uuid)
        if row is None:
            ignored["unknown_agent"] += 1
        elif row.id == leader_id:
            ignored["itself"] += 1
        elif leader.yard_id is None or row.yard_id != leader.yard_id:
            ignored["another_yard"] += 1
        elif row.id in led:
            ignored["another_leader"] += 1
        else:
            wanted[row.id] = uuid
    await message_counts.count(connection, message_counts.IGNORED_FOLLOWER, ignored)

    gone, new = before - wanted.keys(), wanted.keys() - before
    if gone:
        await connection.execute(
            delete(agents_interconnections).where(links.leader_id == leader_id, links.follower_id.in_(gone))
        )
    if new:
        await connection.execute(
            insert(agents_interconnections), [{"leader_id": leader_id, "follower_id": one} for one in sorted(new)]
        )
    if gone or new:
        await events.append(connection, [updated(leader_id, leader.uuid, ["followers"])])
    return Followers([wanted[one] for one in sorted(wanted)], changed=bool(gone or new))
