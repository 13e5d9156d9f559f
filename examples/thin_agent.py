"""Agents on plain AMQP, many on one event loop: they speak the wire as helyOS's agents do.

Each checks in without an account, gets one of its own, and keeps to that account's permissions.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage, AbstractQueue

from settings import Settings

ANONYMOUS = "anonymous"


class CheckInRefused(RuntimeError):
    """What Muster says to a check-in that it does not take."""


class ThinAgent:
    """One agent with its own account and connection."""

    def __init__(
        self,
        settings: Settings,
        uuid: str,
        hear: Callable[[dict[str, Any]], Awaitable[None]],
        connect: Callable[[str], Awaitable[AbstractConnection]] = aio_pika.connect,
    ) -> None:
        """`hear` gets each message that comes; `connect` opens the connection to a URL."""
        self._settings, self.uuid, self._hear, self._connect = settings, uuid, hear, connect
        self._connection: AbstractConnection | None = None
        self._gone = asyncio.Event()
        self._queue: AbstractQueue | None = None
        self._uplink: AbstractExchange | None = None

    async def listen(self, password: str) -> None:
        """Connect as itself and listen."""
        self._connection = await self._connect(with_login(self._settings.amqp_url, self.uuid, password))
        self._gone = gone = asyncio.Event()
        self._connection.close_callbacks.add(lambda *_: gone.set())
        channel = await self._connection.channel(publisher_confirms=False)
        self._queue = await channel.declare_queue(exclusive=True)
        self._downlink = await channel.get_exchange(self._settings.downlink_exchange, ensure=False)
        await self.bind()
        self._uplink = await channel.get_exchange(self._settings.uplink_exchange, ensure=False)
        await self._queue.consume(self._heard, no_ack=True)

    async def bind(self) -> None:
        """Hear what is sent to it."""
        assert self._queue is not None
        for key in self._keys():
            await self._queue.bind(self._downlink, key)

    async def unbind(self) -> None:
        """Be deaf: what is sent to it goes nowhere."""
        assert self._queue is not None
        for key in self._keys():
            await self._queue.unbind(self._downlink, key)

    async def publish(self, word: str, kind: str, body: dict[str, Any]) -> None:
        """Say something; `word`: the last of the routing key."""
        assert self._uplink is not None
        message = aio_pika.Message(envelope(kind, self.uuid, body), user_id=self.uuid)
        await self._uplink.publish(message, f"agent.{self.uuid}.{word}", mandatory=False)

    async def report(self, body: dict[str, Any]) -> None:
        """Say how it stands."""
        await self.publish("state", "agent_state", body)

    async def closed(self) -> None:
        """Wait until the connection is no more, whoever closed it."""
        await self._gone.wait()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    def _keys(self) -> list[str]:
        return [f"agent.{self.uuid}.{word}" for word in ("assignment", "instantActions")]

    async def _heard(self, raw: AbstractIncomingMessage) -> None:
        await self._hear(json.loads(json.loads(raw.body)["message"]))


class CheckIn:
    """The anonymous connection that all agents of a process check in on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def connect(self) -> None:
        """Connect and listen for answers."""
        self._connection = await aio_pika.connect(with_login(self._settings.amqp_url, ANONYMOUS, ANONYMOUS))
        channel = await self._connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(exclusive=True)
        self._reply_to = queue.name
        self._exchange = await channel.get_exchange(self._settings.anonymous_exchange, ensure=False)
        await queue.consume(self._answered, no_ack=True)

    async def password(self, uuid: str, yard_uid: str) -> str:
        """Check an agent in; gives the password of the account that was made for it."""
        token = self._settings.agent_registration_token.get_secret_value()
        body = {"yard_uid": yard_uid, "status": "not_automatable", "name": uuid, "registration_token": token}
        correlation_id = str(uuid4())
        answer = self._answers[correlation_id] = asyncio.get_running_loop().create_future()
        message = aio_pika.Message(
            envelope("checkin", uuid, body), user_id=ANONYMOUS, reply_to=self._reply_to, correlation_id=correlation_id
        )
        await self._exchange.publish(message, f"agent.{uuid}.checkin", mandatory=False)
        content = await asyncio.wait_for(answer, 30)
        if content["response_code"] != "200":
            raise CheckInRefused(f"check-in of {uuid} refused: {content['message']}")
        return str(content["rbmq_password"])

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _answered(self, raw: AbstractIncomingMessage) -> None:
        answer = self._answers.pop(raw.correlation_id or "", None)
        if answer is not None and not answer.done():
            answer.set_result(json.loads(json.loads(raw.body)["message"])["body"])


def envelope(kind: str, uuid: str, body: dict[str, Any]) -> bytes:
    """A message as agents send it: the inner one as JSON text, unsigned."""
    return json.dumps({"message": json.dumps({"type": kind, "uuid": uuid, "body": body}), "signature": None}).encode()


def state(status: str, mission: int | None, report: dict[str, Any] | None = None) -> dict[str, Any]:
    """How an agent stands; `report`: id, status and result of an assignment."""
    resources: dict[str, Any] = {
        "operation_types_available": [],
        "work_process_id": mission,
        "reserved": mission is not None,
    }
    return {"status": status, "resources": resources, "assignment": report}


def with_login(url: str, user: str, password: str) -> str:
    """The same broker under another account."""
    parts = urlsplit(url)
    return parts._replace(
        netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.hostname}:{parts.port or 5672}"
    ).geturl()
