"""Which process has a queue's messages: of two that consume one with a single active consumer, the other only waits."""

from typing import Any
from urllib.parse import quote

import httpx


async def reader_of(management_url: str, queue: str) -> int | None:
    """The process id of the active consumer, as it names its connection; None if the broker knows none."""
    async with httpx.AsyncClient(base_url=management_url, trust_env=False, timeout=10) as management:
        details: Any = (await management.get(f"/api/queues/%2F/{quote(queue, safe='')}")).json()
        connection = active(details.get("consumer_details", []))
        if connection is None:
            return None
        found = await management.get(f"/api/connections/{quote(connection, safe='')}")
        return process_of(found.json()) if found.is_success else None


def active(consumers: list[dict[str, Any]]) -> str | None:
    """The connection of the one that gets the messages."""
    names = [one["channel_details"]["connection_name"] for one in consumers if one.get("active")]
    return str(names[0]) if names else None


def process_of(connection: dict[str, Any]) -> int | None:
    """Muster's programs end the name of their connection with their process id."""
    _, _, pid = str(connection.get("client_properties", {}).get("connection_name", "")).rpartition(" ")
    return int(pid) if pid.isdecimal() else None
