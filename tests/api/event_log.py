"""Events that a test writes by itself, and what it reads of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER
from store import events
from store.database import Database
from store.positions import give_positions


def news(name: object, kind: EventType = EventType.RECIPE_CHANGED, **fields: Any) -> NewEvent:
    source = fields.pop("source", EventSource.API)
    return NewEvent(
        type=kind, source=source, actor=MUSTER, payload={"name": name, **fields.pop("payload", {})}, **fields
    )


async def write(database: Database, *new: NewEvent, mission: int | None = None) -> None:
    async with database.transaction() as connection:
        if mission is None:
            await events.append(connection, new)
        else:
            await events.append_for_mission(connection, mission, new)


async def positioned(database: Database) -> None:
    """Give every event its position, as the sequencer would."""
    async with database.transaction() as connection:
        await give_positions(connection, 100_000)


async def archived(database: Database, until: int) -> None:
    """Let the events up to a position be gone."""
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM events WHERE sequence <= :until"), {"until": until})
        await connection.execute(text("UPDATE event_log SET archived_position = :until"), {"until": until})


def names(items: Sequence[dict[str, Any]]) -> list[Any]:
    return [item["payload"].get("name") for item in items]
