"""Agents that answer at once, many in one process, on plain AMQP: they speak the wire as helyOS's agents do.

Each checks in without an account, gets one of its own, and keeps to that account's permissions. What an agent hears
and when goes to the driver, as `[what, agent's number, seconds since the epoch, work process]`.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
import uvloop
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from benchmarks.child import say, until_the_driver_is_gone
from settings import Settings

ANONYMOUS = "anonymous"
_AT_ONCE = 8


class Heard(StrEnum):
    """What the driver is told."""

    RESERVE = "reserve"
    ASSIGNMENT = "assignment"
    DONE = "done"
    CANCEL = "cancel"
    RELEASE = "release"


@dataclass
class Reaction:
    """What an agent answers to a message, in order, and what the driver is told."""

    heard: Heard
    work_process_id: int
    states: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False


def react(message: dict[str, Any]) -> Reaction | None:
    """The answer to a message at once; an assignment with `hold` is held until it is cancelled."""
    kind, body = message.get("type"), message.get("body") or {}
    if kind == "reserve_for_mission":
        mission = body["work_process_id"]
        return Reaction(Heard.RESERVE, mission, [_state("ready", mission)])
    if kind == "release_from_mission":
        return Reaction(Heard.RELEASE, body["work_process_id"], [_state("free", None)])
    if kind not in ("assignment_execution", "assignment_cancel"):
        return None
    mission, assignment = message["metadata"]["work_process_id"], message["metadata"]["id"]
    if kind == "assignment_cancel":
        return Reaction(Heard.CANCEL, mission, [_state("ready", mission, assignment, "canceled")])
    states = [_state("busy", mission, assignment, "executing")]
    if body.get("hold"):
        return Reaction(Heard.ASSIGNMENT, mission, states)
    states.append(_state("ready", mission, assignment, "succeeded"))
    return Reaction(Heard.ASSIGNMENT, mission, states, done=True)


def _state(status: str, mission: int | None, assignment: int | None = None, report: str = "") -> dict[str, Any]:
    return {
        "status": status,
        "resources": {"operation_types_available": [], "work_process_id": mission, "reserved": mission is not None},
        "assignment": None if assignment is None else {"id": assignment, "status": report, "result": {}},
    }


def envelope(kind: str, uuid: str, body: dict[str, Any]) -> bytes:
    """A message as agents send it: the inner one as JSON text, unsigned."""
    return json.dumps({"message": json.dumps({"type": kind, "uuid": uuid, "body": body}), "signature": None}).encode()


class Agent:
    """One agent with its own account and connection."""

    def __init__(self, settings: Settings, number: int, uuid: str) -> None:
        self._settings, self._number, self._uuid = settings, number, uuid
        self._uplink: AbstractExchange | None = None

    async def listen(self, password: str) -> None:
        """Connect as itself, listen, and report to be free."""
        connection = await aio_pika.connect(with_login(self._settings.amqp_url, self._uuid, password))
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(exclusive=True)
        downlink = await channel.get_exchange(self._settings.downlink_exchange, ensure=False)
        for word in ("assignment", "instantActions"):
            await queue.bind(downlink, f"agent.{self._uuid}.{word}")
        self._uplink = await channel.get_exchange(self._settings.uplink_exchange, ensure=False)
        await queue.consume(self._hear, no_ack=True)
        await self._report(_state("free", None))

    async def _hear(self, raw: AbstractIncomingMessage) -> None:
        at = time.time()
        reaction = react(json.loads(json.loads(raw.body)["message"]))
        if reaction is None:
            return
        for state in reaction.states[:-1]:
            await self._report(state)
        done_at = time.time()
        await self._report(reaction.states[-1])
        say(reaction.heard, self._number, at, reaction.work_process_id)
        if reaction.done:
            say(Heard.DONE, self._number, done_at, reaction.work_process_id)

    async def _report(self, state: dict[str, Any]) -> None:
        assert self._uplink is not None
        message = aio_pika.Message(envelope("agent_state", self._uuid, state), user_id=self._uuid)
        await self._uplink.publish(message, f"agent.{self._uuid}.state", mandatory=False)


class CheckIn:
    """The anonymous connection that all agents of this process check in on."""

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
            raise RuntimeError(f"check-in of {uuid} refused: {content['message']}")
        return str(content["rbmq_password"])

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _answered(self, raw: AbstractIncomingMessage) -> None:
        answer = self._answers.pop(raw.correlation_id or "", None)
        if answer is not None and not answer.done():
            answer.set_result(json.loads(json.loads(raw.body)["message"])["body"])


def with_login(url: str, user: str, password: str) -> str:
    """The same broker under another account."""
    parts = urlsplit(url)
    return parts._replace(
        netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.hostname}:{parts.port or 5672}"
    ).geturl()


async def main(named: list[str]) -> None:
    """Start the agents, named `uuid@yard`; their numbers are their places in the list."""
    settings = Settings()
    check_in = CheckIn(settings)
    await check_in.connect()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def start(number: int, name: str) -> None:
        uuid, _, yard_uid = name.partition("@")
        async with slots:
            await Agent(settings, number, uuid).listen(await check_in.password(uuid, yard_uid))

    await asyncio.gather(*(start(number, name) for number, name in enumerate(named)))
    await check_in.close()
    say("listening", len(named))
    await until_the_driver_is_gone()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("agents", nargs="+", help="uuid@yard")
    uvloop.run(main(parser.parse_args().agents))
