"""Agents that are out of service: not listening, or quarantined. Both keep them out of reservations."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, update

from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER
from missions.statuses import Severity
from store import events
from store.database import Connection
from store.rows import Row
from store.tables import agents


async def not_listening(connection: Connection, agent_ids: Collection[int]) -> None:
    """Note that agents did not get or answer their reserve; cleared when they speak again. They are locked."""
    fresh = await connection.execute(
        update(agents)
        .where(agents.c.id.in_(agent_ids), agents.c.not_listening_since.is_(None))
        .values(not_listening_since=func.now())
        .returning(agents.c.id, agents.c.uuid)
    )
    await events.append(
        connection,
        [
            NewEvent(
                type=EventType.AGENT_NOT_LISTENING,
                source=EventSource.MISSION_WORKER,
                payload={"agent_id": row.id, "uuid": row.uuid},
                actor=MUSTER,
                severity=Severity.WARNING,
            )
            for row in fresh
        ],
    )


async def rate_limited(connection: Connection, dropped: Collection[str], begun: Sequence[Row]) -> None:
    """Note whose messages were dropped; `begun`: the payloads of agents that were not above their limit before."""
    uuids = update(agents).where(agents.c.uuid.in_(dropped))
    await connection.execute(uuids.values(rate_limited_at=func.now()))
    await events.append(
        connection,
        [
            NewEvent(
                type=EventType.AGENT_RATE_LIMITED,
                source=EventSource.agent(payload["uuid"]),
                payload=payload,
                actor=MUSTER,
                severity=Severity.WARNING,
            )
            for payload in begun
        ],
    )


async def quarantine(connection: Connection, agent_ids: Collection[int], reason: str) -> None:
    """Keep agents out of reservations until they report `free` or an operator clears it. They are locked."""
    fresh = await connection.execute(
        update(agents)
        .where(agents.c.id.in_(agent_ids))
        .values(
            quarantined_since=func.coalesce(agents.c.quarantined_since, func.now()),
            quarantine_reason=reason,
        )
        .returning(agents.c.id, agents.c.uuid)
    )
    await events.append(
        connection,
        [
            NewEvent(
                type=EventType.AGENT_QUARANTINED,
                source=EventSource.MISSION_WORKER,
                payload={"agent_id": row.id, "uuid": row.uuid, "reason": reason},
                actor=MUSTER,
                severity=Severity.WARNING,
            )
            for row in fresh
        ],
    )
