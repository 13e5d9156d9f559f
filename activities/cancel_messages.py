"""Tell agents to stop assignments; whoever such a message cannot reach is not listening, as with a reserve."""

import asyncio
from collections.abc import Sequence
from typing import Any

from activities.messages import address, message
from activities.parts import Parts
from fleet.downlink import Delivery
from missions.events import utc_now
from store import assignment_cancels
from store.agent_service import not_listening, quiet_for
from store.connection import Connection
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import lock


async def cancel_and_note(parts: Parts, work_process_id: int, rows: Sequence[Any]) -> list[int]:
    """Send `assignment_cancel` for these rows of a mission, and note it; returns those still to be confirmed."""
    if not rows:
        return []
    published_at = utc_now()
    # Whoever is not listening now may be so at the next try; the confirmation alone counts.
    returned = await send_cancels(parts, rows)
    async with parts.database.transaction() as connection:
        await lock(connection, work_process_id)
        deaf = await note_returned(connection, parts, returned)
        awaited = await assignment_cancels.cancels_sent(
            connection, work_process_id, [row["id"] for row in rows], published_at
        )
    await parts.waker.send(await refresh_lines(parts.database, deaf))
    return awaited


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
