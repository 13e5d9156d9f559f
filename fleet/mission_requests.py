"""Missions that agents request (reference D.7), created as the API creates them; docs/users.md says who may what."""

import hashlib
import logging
from typing import Any

from fleet import wire
from fleet.agent_bodies import read_body
from fleet.agent_messages import AgentMessage, check_sender
from fleet.bus import Bus, UnknownOutcome
from fleet.signing import Signer
from fleet.topology import REPLY_QUEUES
from fleet.wire import BadMessage, Reason
from missions.errors import PartUnavailable, UserError
from missions.requests import NewMission
from settings import Settings
from store import agents, mission_requests
from store.database import Database
from store.wakeups import Waker
from store.work_processes import ResolvePreset

log = logging.getLogger(__name__)

MISSION_REQUEST = "mission_request"


class MissionRequests:
    """Takes requests and answers them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        waker: Waker,
        bus: Bus,
        signer: Signer,
        resolve_preset: ResolvePreset,
    ) -> None:
        self._settings = settings
        self._database = database
        self._waker = waker
        self._bus = bus
        self._signer = signer
        self._resolve_preset = resolve_preset

    async def take(self, message: AgentMessage) -> None:
        """Create the mission and answer; raises BadMessage if it is refused, which is answered too, PartUnavailable."""
        try:
            work_process_id = await self._create(message)
        except BadMessage as error:
            # An answer to whoever is not the agent would tell it what there is.
            if error.reason in (Reason.REFUSED, Reason.INVALID):
                await self._answer(message, {"error": error.text})
            raise
        await self._answer(message, {"work_process_id": work_process_id})

    async def _create(self, message: AgentMessage) -> int:
        if message.inner.type != MISSION_REQUEST:
            raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is not {MISSION_REQUEST}")
        if message.raw.timestamp is None and message.raw.message_id is None:
            raise BadMessage(
                Reason.INVALID, "the message has neither `timestamp` nor `message_id`: a repeat cannot be told from it"
            )
        body_hash = hashlib.sha256(message.raw.body).hexdigest()
        # The broker may deliver one message twice. Two requests with the same words have different timestamps.
        key = f"{MISSION_REQUEST}/{message.raw.timestamp or message.raw.message_id}/{body_hash}"
        async with self._database.transaction() as connection:
            # Read here: it may have checked in with this very batch.
            identity = (await agents.identities(connection, [message.uuid])).get(message.uuid)
            if identity is None:
                raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {message.uuid!r} is not known")
            check_sender(message, identity)
            try:
                # helyOS dispatches whatever status is asked for.
                asked = {name: value for name, value in message.inner.body.items() if name != "status"}
                work_process_id, wakeups = await mission_requests.create(
                    connection,
                    message.uuid,
                    read_body(NewMission, asked),
                    key=key,
                    body_hash=body_hash,
                    settings=self._settings,
                    resolve_preset=self._resolve_preset,
                )
            except UserError as error:
                where = f"{error.field}: " if error.field else ""
                raise BadMessage(Reason.REFUSED, f"{where}{error.detail}; {error.remedy}") from error
        await self._waker.send(wakeups)
        return work_process_id

    async def _answer(self, message: AgentMessage, content: dict[str, Any]) -> None:
        """Answer where the agent asked for it; the helyOS SDK does not."""
        reply_to = message.raw.reply_to or ""
        if not reply_to.startswith(REPLY_QUEUES):
            return
        body = wire.envelope(content, self._signer)
        try:
            await self._bus.publish("", reply_to, body, correlation_id=message.raw.correlation_id)
        except (PartUnavailable, UnknownOutcome) as error:
            log.warning("a mission request of %s was not answered: %s", message.uuid, error)
