"""What Muster sends to agents, copied by RabbitMQ's own tracing: it changes no route and no confirm."""

import asyncio
import contextlib
import json
import time
from typing import Any

import aio_pika
import httpx
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

_AGAIN = 0.3
# The broker is being killed, started, or cut off.
_AWAY = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, TimeoutError, httpx.HTTPError)
LISTENS, GAP = "listens", "gap"


class Tap:
    """The messages, as lines like those of the agents' journals; from `gap` to `listens` some may be missing."""

    def __init__(self, amqp_url: str, management_url: str, exchange: str) -> None:
        """`exchange`: what Muster publishes on."""
        self.lines: list[dict[str, Any]] = []
        self._url, self._management, self._exchange = amqp_url, management_url, exchange

    async def run(self) -> None:
        """Until cancelled; opened anew whenever the broker was away."""
        while True:
            with contextlib.suppress(*_AWAY):
                connection = await aio_pika.connect(self._url, timeout=5)
                try:
                    await self._listen(connection)
                finally:
                    self._note(GAP)
                    with contextlib.suppress(*_AWAY):
                        await connection.close()
            await asyncio.sleep(_AGAIN)

    async def _listen(self, connection: Any) -> None:
        gone = asyncio.Event()
        connection.close_callbacks.add(lambda *_: gone.set())
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("amq.rabbitmq.trace", f"publish.{self._exchange}")
        await queue.consume(self._take, no_ack=True)
        async with httpx.AsyncClient(base_url=self._management, trust_env=False, timeout=10) as management:
            # A broker that was started anew traces nothing.
            (await management.put("/api/vhosts/%2F", json={"tracing": True})).raise_for_status()
        self._note(LISTENS)
        await gone.wait()

    def _note(self, what: str) -> None:
        self.lines.append({"at": time.time(), "agent": "", "what": what})

    async def _take(self, message: AbstractIncomingMessage) -> None:
        line = line_of(message.body, bool(message.headers["routed_queues"]))
        if line is not None:
            self.lines.append({"at": time.time(), **line})


def line_of(body: bytes, heard: bool) -> dict[str, Any] | None:
    """A message in words; None if it is nothing that missions tell agents. `heard`: it went to a queue."""
    inner = json.loads(json.loads(body)["message"])
    kind = _KINDS.get(str(inner.get("type"))) if isinstance(inner, dict) else None
    if kind is None:
        return None
    facts = inner.get("metadata") or {}
    mission = facts.get("work_process_id") or inner["body"].get("work_process_id")
    return {"what": kind, "agent": inner["uuid"], "mission": mission, "assignment": facts.get("id"), "heard": heard}


_KINDS = {
    "reserve_for_mission": "reserve",
    "release_from_mission": "release",
    "assignment_execution": "assignment",
    "assignment_cancel": "cancel",
}
