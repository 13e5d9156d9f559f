"""An agent's message as it came from the broker, and whether it may have come from that agent."""

from dataclasses import dataclass
from datetime import datetime

from aio_pika.abc import AbstractIncomingMessage

from fleet.accounts import ANONYMOUS
from fleet.signing import verifies
from fleet.tolerant_frames import UNREADABLE
from fleet.topology import Uplink, read_routing_key
from fleet.wire import BadMessage, Inner, Reason, read_envelope
from missions.events import utc_now
from store.agents import AgentIdentity


@dataclass(frozen=True)
class AgentMessage:
    """A readable message. `user`: the broker's word for who sent it (None where a client leaves it out)."""

    raw: AbstractIncomingMessage
    uuid: str
    word: str
    inner: Inner
    user: str | None
    received_at: datetime
    said_at: datetime
    """When the agent sent it, as its own clock says, but not after we read it: it may have lain in the queue."""

    @property
    def exchange(self) -> str:
        """The exchange it was published to."""
        return self.raw.exchange or ""


def read(raw: AbstractIncomingMessage, *, names_itself: bool = True) -> AgentMessage:
    """Read a message; raises BadMessage. The routing key's uuid decides, since the broker checks that one.

    `names_itself`: whether the message must name its agent too; data requests do not.
    """
    if UNREADABLE in raw.headers:
        raise BadMessage(Reason.BAD_PROPERTIES, f"AMQP properties: {raw.headers[UNREADABLE]!s}")
    sender = read_routing_key(raw.routing_key or "")
    if sender is None:
        raise BadMessage(Reason.BAD_ROUTING_KEY, f"{raw.routing_key!r} is not agent.<uuid>.<word>")
    inner = read_envelope(raw.body, None if names_itself else sender.uuid)
    if inner.uuid != sender.uuid:
        raise BadMessage(Reason.UUID_MISMATCH, f"the routing key names {sender.uuid!r}, the message {inner.uuid!r}")
    now = utc_now()
    return AgentMessage(raw, sender.uuid, sender.word, inner, raw.user_id, now, said_at(raw, now))


def said_at(raw: AbstractIncomingMessage, now: datetime) -> datetime:
    """When it was sent, as its sender's clock says, but not after `now`."""
    return min(now, raw.timestamp) if raw.timestamp else now


def check_sender(message: AgentMessage, identity: AgentIdentity | None) -> None:
    """Raise BadMessage if the account or the signature is not the agent's.

    The broker refuses a false user_id; without one, the topic rules of the account vouch for the routing key.
    """
    checks_in = message.word == Uplink.CHECK_IN
    if identity is None:
        # Unknown: a check-in needs the token, whoever sends it; anything else is refused later as unknown.
        return
    allowed = {identity.uuid, identity.rbmq_username, *identity.leaders} | ({ANONYMOUS} if checks_in else set())
    if message.user is not None and message.user not in allowed:
        raise BadMessage(Reason.WRONG_SENDER, f"{message.user!r} may not speak for {message.uuid!r}")
    if identity.verify_signature and not verifies(message.inner.text, message.inner.signature, identity.public_key):
        raise BadMessage(Reason.BAD_SIGNATURE, f"the signature does not verify with the key of {message.uuid!r}")
