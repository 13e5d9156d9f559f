"""Tell agents to stop assignments; whoever such a message cannot reach is not listening, as with a reserve."""

import asyncio
from collections.abc import Sequence
from typing import Any

from activities.messages import address, message
from activities.parts import Parts
from fleet.downlink import Delivery
from store.agent_service import not_listening, quiet_for
from store.connection import Connection
from store.reservations import lock_agents


async def send_cancels(parts: Parts, rows: Sequence[Any]) -> list[Any]:
    """Publish `assignment_cancel` for assignment rows; returns those that came back."""
    deliveries = await asyncio.gather(*(parts.downlink.cancel(address(row), message(row)) for row in rows))
    return [row for row, delivery in zip(rows, deliveries, strict=True) if delivery is Delivery.NOT_LISTENING]


async def note_returned(connection: Connection, parts: Parts, returned: Sequence[Any]) -> list[int]:
    """Note whose agents are not listening; returns them, to refresh their lines after the commit.

    The mission is locked. Agents check in before they listen: of one that has just spoken only the next cancel tells.
    """
    if not returned:
        return []
    await lock_agents(connection, {row["agent_id"] for row in returned})
    deaf = {row["agent_id"] for row in returned if row["cancels_sent"]}
    first = {row["agent_id"] for row in returned} - deaf
    deaf |= await quiet_for(connection, first, parts.settings.reserve_return_window)
    await not_listening(connection, deaf, pause=parts.settings.deaf_agent_interval)
    return sorted(deaf)
