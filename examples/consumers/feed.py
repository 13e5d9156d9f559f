"""Muster's events, one after the other, from the live stream or from a queue of your own.

Both deliver at least once and in order per mission: an event that comes again is dropped here, by its id. An event
counts as used when the next one is asked for; a program that dies before that gets it again.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aio_pika
import httpx
from httpx_sse import SSEError, aconnect_sse

Event = dict[str, Any]

PAUSE = 1.0
"""Seconds before a connection is tried again."""
TRIES = 5
"""How often the queue gives an event to a program that dies of it, before it is put aside."""


class Seen:
    """The ids of the last events: enough for what comes again after a lost connection."""

    def __init__(self, most: int = 10_000) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def is_new(self, event: Event) -> bool:
        """Whether this event comes for the first time; from now on it does not."""
        if event["id"] in self._ids:
            return False
        self._ids[event["id"]] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return True


class CursorTooOld(Exception):
    """Events after the cursor are archived already: read the archive, then go on from what is kept."""


class Cursor:
    """The position in the stream up to which events are used; kept in a file, if there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.position = file.read_text().strip() if file is not None and file.exists() else ""

    def move(self, position: str) -> None:
        """Go on from here at the next start."""
        self.position = position
        if self._file is not None:
            self._file.write_text(position)


def envelope(body: dict[str, Any]) -> Event:
    """An event from a queue, in either of its forms, with the names of the envelope that consumers need."""
    if "specversion" not in body:
        return body
    return {
        "id": body["id"],
        "type": body["type"],
        "timestamp": body["time"],
        "severity": body["severitytext"],
        "mission_id": body.get("subject"),
        "sequence": int(body["sequence"]) if "sequence" in body else None,
        "mission_sequence": body.get("missionsequence"),
        "attempt": body.get("attempt"),
        "payload": body["data"],
    }


async def from_stream(url: str, token: str, types: Sequence[str], cursor: Cursor) -> AsyncGenerator[Event]:
    """Follow `GET /api/v1/events/stream` for ever, from the cursor on, or from now if it is new.

    Raises CursorTooOld, and httpx.HTTPStatusError for a wrong request.
    """
    seen = Seen()
    # The stream says something each 15 s.
    timeout = httpx.Timeout(10, read=60)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as http:
        while True:
            with suppress(httpx.TransportError, SSEError):
                async with aconnect_sse(
                    http,
                    "GET",
                    f"{url}/api/v1/events/stream",
                    params={"type": list(types)},
                    headers={"Last-Event-ID": cursor.position} if cursor.position else {},
                ) as source:
                    if source.response.status_code == 410:
                        raise CursorTooOld((await source.response.aread()).decode())
                    if source.response.status_code < 500:
                        source.response.raise_for_status()
                        async for message in source.aiter_sse():
                            if message.event == "stream.reset":
                                raise CursorTooOld(message.data)
                            if message.data:
                                event = json.loads(message.data)
                                if seen.is_new(event):
                                    yield event
                            cursor.move(message.id or cursor.position)
            await asyncio.sleep(PAUSE)


async def from_queue(
    amqp_url: str, queue: str, types: Sequence[str], *, exchange: str = "muster.events"
) -> AsyncIterator[Event]:
    """Take events from a queue of your own, which keeps them while you are away.

    An event that `TRIES` programs died of goes to the queue `<queue>.dead`, and the others go on.
    """
    seen = Seen()
    connection = await aio_pika.connect_robust(amqp_url)
    async with connection:
        channel = await connection.channel()
        # One at a time: whoever dies gives back all that it has in hand, and each would count as tried.
        await channel.set_qos(prefetch_count=1)
        dead = await channel.declare_queue(f"{queue}.dead", durable=True)
        own = await channel.declare_queue(
            queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": TRIES,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead.name,
            },
        )
        for each in types:
            # A family's types may have a dot more, and the broker's `*` is one word.
            await own.bind(exchange, routing_key=f"{each[:-1]}#" if each.endswith(".*") else each)
        async with own.iterator() as messages:
            async for message in messages:
                event = envelope(json.loads(message.body))
                if seen.is_new(event):
                    yield event
                await message.ack()
