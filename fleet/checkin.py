"""Check-in and check-out (reference A.6): who may, what is written, and the answer with map, key and password.

The row is written in the order of the agent's messages; account and answer follow beside the flow, since the
broker's management API is slow, and only once the batch cannot come again: a repeated check-in would get a second
password. If we die between the two, the agent hears nothing and checks in again.
"""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from fleet import wire
from fleet.account_rights import rights_of
from fleet.accounts import ANONYMOUS, Accounts, Login
from fleet.agent_bodies import CheckInBody, read_body, refuse_unstorable
from fleet.agent_messages import AgentMessage
from fleet.bus import Bus, UnknownOutcome
from fleet.signing import Signer
from fleet.topology import REPLY_QUEUES, Downlink, routing_key
from fleet.wire import BadMessage, Reason
from missions.errors import MusterError, PartUnavailable, UserError
from missions.statuses import AgentStatus
from settings import Settings
from store import account_rights, agents, message_counts, restarted_agents
from store.agents import AgentIdentity, CheckedIn, CheckIn
from store.database import Database
from store.wakeups import Wakeup

log = logging.getLogger(__name__)

CHECK_IN = "checkin"
CHECK_OUT = "checkout"
REFUSED = "refused_checkin"
_ANSWERS_AT_ONCE = 100


class Refused(MusterError):
    """A check-in or check-out that is answered with its reason. `code`: what it is counted under."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Taken:
    """A check-in or check-out that is written. `moved`: agents whose lines are to be refreshed.

    `answer`: sends the answer beside the flow; not to be called twice.
    """

    moved: frozenset[int]
    answer: Callable[[], None]
    wakeups: Sequence[Wakeup] = ()


class CheckIns:
    """Takes check-ins and check-outs."""

    def __init__(self, settings: Settings, database: Database, bus: Bus, accounts: Accounts, signer: Signer) -> None:
        self._settings = settings
        self._database = database
        self._bus = bus
        self._accounts = accounts
        self._signer = signer
        self._answers: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_ANSWERS_AT_ONCE)
        # Two answers to one agent would race for its password.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, message: AgentMessage, identity: AgentIdentity | None) -> Taken | None:
        """Write a check-in or check-out, which the caller then answers; None if it was refused, which is answered here.

        Raises BadMessage if it is neither, PartUnavailable if the database does not answer.
        """
        kind = message.inner.type
        if kind not in (CHECK_IN, CHECK_OUT):
            raise BadMessage(Reason.UNKNOWN_TYPE, f"{kind!r} is neither checkin nor checkout")
        try:
            if kind == CHECK_OUT:
                return await self._check_out(message, identity)
            return await self._check_in(message, identity)
        except (Refused, UserError) as error:
            code = error.code if isinstance(error, Refused) else "invalid"
            await self.refuse(message, code, str(error))
            return None

    async def refuse(self, message: AgentMessage, code: str, text: str) -> None:
        """Say no: helyOS keeps silent here, and the agent only times out."""
        log.info("refused the %s of %s: %s", message.inner.type, message.uuid, text)
        async with self._database.transaction() as connection:
            await message_counts.count(connection, REFUSED, Counter([code]))
        kind = CHECK_OUT if message.inner.type == CHECK_OUT else CHECK_IN
        self._spawn(self._answer(message, kind, {"message": text, "response_code": "500"}))

    async def finish(self) -> None:
        """Wait for the answers that are on their way."""
        while self._answers:
            await asyncio.gather(*self._answers, return_exceptions=True)

    async def _check_in(self, message: AgentMessage, identity: AgentIdentity | None) -> Taken:
        try:
            body = read_body(CheckInBody, message.inner.body)
            refuse_unstorable(message.inner, body.model_dump(exclude={"registration_token"}))
        except BadMessage as error:
            raise Refused("invalid", error.text) from error
        anonymous = message.exchange == self._settings.anonymous_exchange and message.user in (None, ANONYMOUS)
        self._authorise(message, identity, body, anonymous=anonymous)
        if body.yard is None:
            raise Refused("invalid", "yard_uid is missing: name the yard to check in to")
        try:
            status = AgentStatus(body.status.lower())
        except ValueError:
            known = ", ".join(AgentStatus)
            raise Refused("invalid", f"status {body.status!r} is not known; use one of {known}") from None
        async with self._database.transaction() as connection:
            done = await agents.check_in(
                connection,
                CheckIn(
                    uuid=message.uuid,
                    yard_uid=body.yard,
                    status=status,
                    protocol="MQTT" if message.exchange == self._settings.mqtt_exchange else "AMQP",
                    at=message.received_at,
                    said_at=message.said_at,
                    # A leader's account is not the follower's.
                    rbmq_username=None
                    if anonymous or (identity and message.user in identity.leaders)
                    else message.user,
                    public_key=body.public_key,
                    public_key_format=body.public_key_format,
                    profile=body.fields(),
                ),
            )
        try:
            doubts = await restarted_agents.note(self._database, done.agent_id)
        except PartUnavailable:
            raise
        except Exception:
            # It is checked in: a note that cannot be written must not cost it its answer.
            log.exception("agent %s checked in, but the restart could not be noted on its missions", message.uuid)
            doubts = []
        welcome = self._welcome
        return Taken(done.moved, lambda: self._spawn(welcome(message, identity, done, anonymous=anonymous)), doubts)

    def _authorise(
        self, message: AgentMessage, identity: AgentIdentity | None, body: CheckInBody, *, anonymous: bool
    ) -> None:
        if identity is not None and anonymous and not identity.allow_anonymous_checkin:
            raise Refused("anonymous", f"agent {message.uuid!r} may not check in anonymously: use its account")
        token = self._settings.agent_registration_token.get_secret_value()
        if (identity is None or anonymous) and not hmac.compare_digest(
            (body.registration_token or "").encode(errors="surrogatepass"), token.encode()
        ):
            raise Refused("token", "registration_token is wrong: set REGISTRATION_TOKEN to this installation's token")

    async def _check_out(self, message: AgentMessage, identity: AgentIdentity | None) -> Taken:
        if identity is None:
            raise Refused("unknown_agent", f"agent {message.uuid!r} is not known")
        if message.user == ANONYMOUS:
            raise Refused("anonymous", "a check-out needs the agent's own account")
        async with self._database.transaction() as connection:
            agent_id = await agents.check_out(connection, message.uuid, message.received_at)
        content = {"agentId": str(agent_id), "message": "check-out successful", "response_code": "200"}
        return Taken(frozenset({agent_id}), lambda: self._spawn(self._answer(message, CHECK_OUT, content)))

    async def _welcome(
        self, message: AgentMessage, identity: AgentIdentity | None, done: CheckedIn, *, anonymous: bool
    ) -> None:
        uuid = message.uuid
        turn = self._turns.setdefault(uuid, asyncio.Lock())
        async with turn:
            login = Login(message.user or uuid, "")
            if anonymous:
                async with self._database.statement() as connection:
                    standing = await account_rights.standing(connection, done.agent_id)
                try:
                    login = await self._accounts.create(
                        uuid,
                        username=identity.rbmq_username if identity and identity.has_rbmq_account else None,
                        rights=rights_of(self._settings, standing),
                    )
                except (PartUnavailable, UserError) as error:
                    await self.refuse(message, "account", f"no account could be made: {error}")
                    return
                async with self._database.transaction() as connection:
                    await agents.account_made(connection, standing, login.username)
            await self._answer(message, CHECK_IN, self._content(done, login))

    def _content(self, done: CheckedIn, login: Login) -> dict[str, Any]:
        return {
            "agentId": str(done.agent_id),
            "yard_uid": done.yard_uid,
            "map": {
                "id": str(done.yard_id),
                "uid": done.yard_uid,
                "origin": dict(done.origin),
                "map_objects": list(done.map_objects),
            },
            "message": "check-in successful",
            "rbmq_username": login.username,
            # Only for anonymous check-ins: the SDK reconnects whenever it gets one.
            "rbmq_password": login.password,
            "rbmq_encrypted_password": "not-implemented",
            "password_encrypted": False,
            "ca_certificate": "",
            "helyos_public_key": self._signer.public_pem,
            # Text, not a number: the SDK refuses 200.
            "response_code": "200",
        }

    async def _answer(self, message: AgentMessage, kind: str, content: Mapping[str, Any]) -> None:
        """Answer where the message came from, and nowhere else: the answer may hold a password."""
        body = wire.envelope(wire.checkin_answer(message.uuid, kind, content), self._signer)
        reply_to = message.raw.reply_to or ""
        if message.exchange == self._settings.mqtt_exchange:
            exchange, key = self._settings.mqtt_exchange, routing_key(message.uuid, Downlink.CHECK_IN_RESPONSE)
        elif reply_to.startswith(REPLY_QUEUES):
            exchange, key = "", reply_to
        else:
            return
        await self._bus.publish(exchange, key, body, correlation_id=message.raw.correlation_id)

    def _spawn(self, answer: Any) -> None:
        async def run() -> None:
            async with self._slots:
                try:
                    await answer
                except (PartUnavailable, UnknownOutcome) as error:
                    log.warning("a check-in was not answered: %s", error)

        task = asyncio.create_task(run())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
