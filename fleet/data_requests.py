"""Data requests of agents (`database_req`, `summary_req`): a few queries and changes by name, answered to `reply_to`.

No query language: what is not on the list, or not for this class of agent, is refused with an answer that says so. An
agent without an answer would wait for ever, since the SDK does.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import Field, ValidationError

from fleet import wire
from fleet.agent_messages import AgentMessage, check_sender, read
from fleet.bus import Bus, UnknownOutcome
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.rate_limits import RateLimits
from fleet.signing import Signer
from fleet.topology import REPLY_QUEUES
from fleet.wire import BadMessage, Reason
from missions.errors import InvalidInput, PartUnavailable, TooLarge, UserError
from missions.events import EventSource
from missions.requests import Id, Request, Words
from missions.statuses import AgentClass
from settings import Settings
from store import agents, data_requests, idempotency, map_objects, message_counts
from store.agents import AgentIdentity, agent_principal
from store.connection import Connection
from store.database import Database, timed_out

log = logging.getLogger(__name__)

FOR_ALL = ("allYards", "allMapObjects", "allLeaders", "allFollowers")
"""What an agent of any class may read."""

FOR_ASSISTANTS = (
    *FOR_ALL,
    "allAgents",
    "allExecutingMissions",
    "executingMissions",
    "missionsById",
    "allAssignmentsByMissionId",
    "allAssignmentsByWorkProcessId",
    "missionAssignments",
)
"""What an assistant may read."""

CHANGES = ("createMapObjects", "updateMapObjects", "deleteMapObjects", "deleteMapObjectByIds")
"""What an assistant may change."""

UNANSWERED = "data_request"
"""What requests are counted under whose agent sends them faster than they can be refused."""

_REMEMBERED = timedelta(hours=1)
"""Of a change: a message that was in hand when its connection was lost comes back within seconds."""
_FORGET_EACH = 60.0
"""Seconds between two removals of what need not be remembered any more."""


class MapObjectData(Request):
    """A map object in a change; only keys that were sent count."""

    id: Id | None = None
    yard_id: Id | None = None
    type: Words | None = None
    name: Words | None = None
    data: Any = None
    data_format: Words | None = None
    metadata: Any = None


class Changes(Request):
    """The objects of one change."""

    data: list[MapObjectData] = Field(max_length=10_000)


class DataRequests:
    """Handles the queue of data requests. `database`: one that bounds how long a statement takes.

    A change is remembered with its message: one that is delivered again is answered again, and changes nothing.
    """

    def __init__(
        self, settings: Settings, database: Database, bus: Bus, signer: Signer, dead_letters: DeadLetters
    ) -> None:
        self._database = database
        # Each may cost a read of thousands of rows: as few as updates.
        self._limits = RateLimits(settings.message_rate_limit, settings.update_rate_limit)
        self._bus = bus
        self._signer = signer
        self._dead_letters = dead_letters
        self._timeout = settings.data_request_timeout
        self._forgotten_at = 0.0

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Answer each request; raises PartUnavailable to be tried again."""
        letters: list[DeadLetter] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                await self._take(read(raw, names_itself=False))
        await self._dead_letters.put(letters)

    async def refuse(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Answer each that its agent has too many waiting, without a look into the database, which may be busy."""
        letters: list[DeadLetter] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                message = read(raw, names_itself=False)
                _refuse_unanswerable(message)
                await self._answer(
                    message, _error(f"agent {message.uuid!r} asks too often; await answers before you ask again")
                )
        await self._dead_letters.put(letters)

    async def dropped(self, number: int) -> None:
        """Count those that came faster than they could be refused."""
        try:
            async with self._database.transaction() as connection:
                await message_counts.count(connection, message_counts.DROPPED, {UNANSWERED: number})
        except PartUnavailable as error:
            log.warning("%d data requests were dropped, and are not counted: %s", number, error)

    async def _take(self, message: AgentMessage) -> None:
        async with self._database.transaction() as connection:
            identity = (await agents.identities(connection, [message.uuid])).get(message.uuid)
            if identity is None:
                raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {message.uuid!r} is not known")
            check_sender(message, identity)
            _refuse_leaders(message, identity)
        _refuse_unanswerable(message)
        try:
            self._refuse_excess(message)
            async with self._database.transaction() as connection:
                found = await self._do(connection, message)
        except UserError as error:
            where = f"{error.field}: " if error.field else ""
            found = _error(f"{where}{error.detail}; {error.remedy}")
        except UnknownOutcome:
            raise
        except PartUnavailable as error:
            if not timed_out(error):
                raise
            found = _error(f"took longer than {self._timeout:g} s; narrow it by conditions, or ask again later")
        except Exception:
            # Whoever asked waits without a time-out: any answer is better than none.
            log.exception("a data request of %s failed", message.uuid)
            found = _error("the request could not be carried out: look for odd values in it; our log has the cause")
        await self._answer(message, found)

    def _refuse_excess(self, message: AgentMessage) -> None:
        over, _ = self._limits.take(message.uuid, is_update=True, now=message.received_at.timestamp())
        if over is not None:
            raise TooLarge(
                f"agent {message.uuid!r} asks too often", field="message", remedy="ask again later, and less often"
            )

    async def _do(self, connection: Connection, message: AgentMessage) -> str:
        uuid, body = message.uuid, message.inner.body
        agent_class, yard_id = await agents.class_and_yard(connection, uuid)
        kind = "mutation" if "mutation" in body else "query"
        name = body.get(kind)
        self._refuse_unlisted(name, kind, agent_class)
        if yard_id is None:
            raise InvalidInput(f"agent {uuid!r} stands in no yard", field=kind, value=name, remedy="check in first")
        # helyOS itself reads `condition` where it deletes, its SDK says `conditions`.
        conditions = body.get("conditions", body.get("condition")) or {}
        if not isinstance(conditions, dict):
            raise InvalidInput("is no object", field="conditions", value=conditions, remedy="send an object")
        asked = conditions.get("yard_id", yard_id)
        if name != "allYards" and str(asked) != str(yard_id):
            raise InvalidInput(
                "an agent reads and changes its own yard only",
                field="conditions.yard_id",
                value=asked,
                remedy="leave it out, or check in to that yard",
            )
        if kind == "query":
            return await data_requests.read(connection, str(name), conditions, uuid=uuid, yard_id=yard_id)
        ids = await self._change_once(connection, message, str(name), conditions, yard_id)
        if name != "createMapObjects":
            return json.dumps(ids)
        return await data_requests.read(connection, "allMapObjects", {"id__in": ids}, uuid=uuid, yard_id=yard_id)

    async def _change_once(
        self, connection: Connection, message: AgentMessage, name: str, conditions: Mapping[str, Any], yard_id: int
    ) -> list[int]:
        """The ids of what this message changes, or has changed before."""
        principal = agent_principal(message.uuid)
        key, body_hash = _message_key(message.raw), hashlib.sha256(message.raw.body).hexdigest()
        made = await idempotency.claim(connection, principal, f"{key}/{body_hash}", body_hash)
        if made is not None:
            return list(made)
        ids = await self._change(connection, name, message.inner.body, conditions, message.uuid, yard_id)
        await idempotency.remember(connection, principal, f"{key}/{body_hash}", body_hash, *ids, keep=_REMEMBERED)
        if time.monotonic() > self._forgotten_at + _FORGET_EACH:
            await idempotency.forget_expired(connection)
            self._forgotten_at = time.monotonic()
        return ids

    def _refuse_unlisted(self, name: object, kind: str, agent_class: str) -> None:
        listed = CHANGES if kind == "mutation" else FOR_ASSISTANTS
        if name not in listed:
            raise InvalidInput(
                f"there is no {kind} {name!r}", field=kind, value=name, remedy=f"use one of {', '.join(listed)}"
            )
        if agent_class != AgentClass.ASSISTANT and name not in FOR_ALL:
            raise InvalidInput(
                f"{name!r} is for assistants, and this agent is a {agent_class}",
                field=kind,
                value=name,
                remedy="give the agent the class `assistant` (PATCH /api/v1/agents/{id})",
            )

    async def _change(
        self,
        connection: Connection,
        name: str,
        body: Mapping[str, Any],
        conditions: Mapping[str, Any],
        uuid: str,
        yard_id: int,
    ) -> list[int]:
        principal, source = agent_principal(uuid), EventSource.agent(uuid)
        if name in ("createMapObjects", "updateMapObjects"):
            rows = _objects(body.get("data"), yard_id)
            if name == "createMapObjects":
                return await map_objects.create(connection, yard_id, rows, principal=principal, source=source)
            return await map_objects.patch_many(connection, yard_id, rows, principal=principal, source=source)
        if name == "deleteMapObjectByIds":
            conditions = {"id__in": conditions.get("ids")}
        if not conditions:
            raise InvalidInput(
                "would delete the whole map", field="conditions", value={}, remedy="say which map objects, e.g. `type`"
            )
        ids = await data_requests.map_object_ids(connection, conditions, yard_id=yard_id)
        return await map_objects.remove_many(connection, yard_id, ids, principal=principal, source=source)

    async def _answer(self, message: AgentMessage, found: str) -> None:
        body = wire.envelope_of_text(found, self._signer)
        try:
            await self._bus.publish("", message.raw.reply_to or "", body, correlation_id=message.raw.correlation_id)
        except (PartUnavailable, UnknownOutcome) as error:
            log.warning("a data request of %s was not answered: %s", message.uuid, error)


def _error(text: str) -> str:
    return json.dumps({"error": text})


def _message_key(raw: AbstractIncomingMessage) -> str:
    """What a message and its redelivery have in common, and no other message of that agent and body has."""
    if raw.message_id is None and raw.correlation_id is None and raw.timestamp is None:
        raise InvalidInput(
            "a change whose repeat cannot be told from it",
            field="message",
            remedy="send it with a `correlation_id`, a `message_id` or a `timestamp` of its own",
        )
    return f"data_request/{raw.message_id}/{raw.correlation_id}/{raw.timestamp}"


def _refuse_unanswerable(message: AgentMessage) -> None:
    """Before anything is changed: a refused message must have done nothing."""
    reply_to = message.raw.reply_to or ""
    if not reply_to.startswith(REPLY_QUEUES):
        raise BadMessage(Reason.INVALID, f"`reply_to` is {reply_to!r}, and answers go to {REPLY_QUEUES}… only")


def _refuse_leaders(message: AgentMessage, identity: AgentIdentity) -> None:
    """A leader drives its followers, and may not ask for them. A message without a user may be from any leader."""
    own = not identity.leaders if message.user is None else message.user in (identity.uuid, identity.rbmq_username)
    if not own:
        raise BadMessage(Reason.WRONG_SENDER, f"{message.user!r} may not ask in the name of {message.uuid!r}")


def _objects(data: object, yard_id: int) -> list[dict[str, Any]]:
    try:
        wanted = Changes.model_validate({"data": data}).data
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(first["msg"], field=where, remedy="send a list of map objects") from error
    for number, item in enumerate(wanted):
        if item.yard_id not in (None, yard_id):
            raise InvalidInput(
                "an agent changes the map of its own yard only",
                field=f"data.{number}.yard_id",
                value=item.yard_id,
                remedy="leave it out",
            )
    return [item.model_dump(exclude_unset=True, exclude={"yard_id"}) for item in wanted]
