"""Messages that cannot be used: kept for a while with their reason, and counted. They never stop the flow."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aio_pika.abc import AbstractIncomingMessage

from fleet.bus import Bus, UnknownOutcome
from fleet.topology import DEAD_LETTER_QUEUE
from fleet.wire import BadMessage, Reason
from missions.errors import PartUnavailable
from store import message_counts
from store.database import Database

log = logging.getLogger(__name__)

REASON_HEADER = "x-muster-reason"
TEXT_HEADER = "x-muster-text"
EXCHANGE_HEADER = "x-muster-exchange"
ROUTING_KEY_HEADER = "x-muster-routing-key"
SENDER_HEADER = "x-muster-sender"
_LARGEST_BODY = 64 * 1024


@dataclass(frozen=True)
class DeadLetter:
    """A message and why it was refused."""

    message: AbstractIncomingMessage
    reason: Reason
    text: str


@contextmanager
def dead_lettered(message: AbstractIncomingMessage, letters: list[DeadLetter]) -> Iterator[None]:
    """Whatever is wrong with one message makes it a dead letter, also what we did not think of: never a stop.

    Raises PartUnavailable or UnknownOutcome: they say nothing against the message.
    """
    try:
        yield
    except BadMessage as error:
        letters.append(DeadLetter(message, error.reason, error.text))
    except (PartUnavailable, UnknownOutcome):
        raise
    except Exception as error:
        log.exception("a message with the key %r could not be taken", message.routing_key)
        letters.append(DeadLetter(message, Reason.INVALID, repr(error)))


class DeadLetters:
    """Where they go."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database

    async def put(self, letters: Sequence[DeadLetter], *, kept: int | None = None) -> None:
        """Publish and count; returns once the broker has confirmed them, so that they may be acknowledged.

        `kept`: how many of them are published at most; all are counted. Raises PartUnavailable or UnknownOutcome.
        """
        if not letters:
            return
        await asyncio.gather(*(self._publish(letter) for letter in letters[:kept]))
        async with self._database.transaction() as connection:
            await message_counts.count(
                connection, message_counts.DEAD_LETTERED, Counter(str(letter.reason) for letter in letters)
            )

    async def _publish(self, letter: DeadLetter) -> None:
        message = letter.message
        await self._bus.publish(
            "",
            DEAD_LETTER_QUEUE,
            message.body[:_LARGEST_BODY],
            headers={
                REASON_HEADER: str(letter.reason),
                # Half of a surrogate pair fits in no header: the batch would be tried again for ever.
                TEXT_HEADER: letter.text[:1000].encode(errors="replace").decode(),
                EXCHANGE_HEADER: message.exchange or "",
                ROUTING_KEY_HEADER: message.routing_key or "",
                SENDER_HEADER: message.user_id or "",
            },
        )
