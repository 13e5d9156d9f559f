"""Every event to a topic exchange of RabbitMQ: in order, persistent, confirmed, at least once.

What a broker does to it is waited out; the events stay in the log meanwhile. An event that is refused alone, while
others pass, is parked. Nothing of this is in a mission's way.
"""

import asyncio
import json
import logging
import time
from collections.abc import Sequence

from pamqp.commands import Basic

from missions.cloud_events import CONTENT_TYPE, cloud_event
from missions.errors import PartUnavailable
from missions.events import Event
from outlets.confirmed_publisher import RABBITMQ, ConfirmedPublisher, Message, NotConfirmed
from outlets.led_loop import LedLoop
from outlets.pauses import pause_before
from settings import Settings
from store import event_outlets, parked_events
from store.connection import Connection
from store.database import Database
from store.leadership import Lock
from store.positions import POSITIONED

log = logging.getLogger(__name__)

OUTLET = "exchange"
LOCK = Lock(0x6D757375)

_BATCH = 300
_TOGETHER = 0.15
"""Seconds: so often at most it looks what is new, for each look costs as much as some events."""
_REPLAY_EACH = 1.0
"""Seconds between two looks whether somebody asked for a parked event."""
_TRIES = 5
"""How often an event is refused before it is compared with another."""
_PARKED_LATELY = 60.0
"""Seconds for which events of a type that was parked are compared with another at once."""
_AMONG = 100
"""How far ahead an event of another type is looked for."""
_SAID_AGAIN = 3.0
_LONGEST_PAUSE = 30.0
_PERSISTENT = 2


class ExchangeOutlet(LedLoop):
    """The outlet; one is at work, any number may stand by."""

    def __init__(self, settings: Settings, database: Database, installation: str) -> None:
        super().__init__(
            database,
            LOCK,
            POSITIONED,
            "the outlet of events to RabbitMQ",
            longest_pause=_LONGEST_PAUSE,
            durable=False,
        )
        url = settings.events_amqp_url or settings.amqp_url
        self._publisher = ConfirmedPublisher(url, settings.events_exchange, "events")
        self._as_cloud_event = settings.events_format == "cloudevents"
        self._source = f"urn:muster:{installation}"
        self._types_url = f"{settings.public_api_url}/api/v1/events/types"
        self._failures = 0  # in a row, of the whole outlet
        self._refusals = 0  # of the event that is next
        self._one_by_one = 0  # so many events, since one among them was refused
        self._parked_types: dict[str, float] = {}
        self._said_at = self._look_at = self._replay_at = 0.0

    async def stop(self) -> None:
        """Stop it, and close its connection."""
        await super().stop()
        await self._publisher.close()

    async def _prepare(self, connection: Connection) -> None:
        await event_outlets.begin(connection, OUTLET)
        self._failures = self._refusals = self._one_by_one = 0

    async def _work(self, connection: Connection) -> bool:
        await asyncio.sleep(self._look_at - time.monotonic())
        self._look_at = time.monotonic() + _TOGETHER
        try:
            more = await self._replay(connection) or await self._go_on(connection)
        except PartUnavailable as error:
            if error.part != RABBITMQ:
                raise
            await self._wait(connection, str(error))
            more = True
        if more:
            self._look_at = 0.0
        return more

    async def _go_on(self, connection: Connection) -> bool:
        limit = 1 if self._one_by_one else _BATCH
        batch = await event_outlets.next_events(connection, OUTLET, limit)
        if not batch:
            return False
        outcomes = await self._publish(batch)
        confirmed = next((place for place, outcome in enumerate(outcomes) if outcome is not None), len(batch))
        if confirmed:
            await event_outlets.delivered(connection, OUTLET, _position(batch[confirmed - 1]))
            self._gets_on(confirmed)
        if confirmed < len(batch):
            outcome = outcomes[confirmed]
            assert outcome is not None
            await self._not_confirmed(connection, batch[confirmed:], outcome)
            return True
        return len(batch) == limit

    def _gets_on(self, confirmed: int) -> None:
        if self._failures or self._refusals:
            log.info("%s goes on", self._what)
        self._failures = self._refusals = 0
        self._one_by_one = max(self._one_by_one - confirmed, 0)

    async def _not_confirmed(self, connection: Connection, left: Sequence[Event], outcome: NotConfirmed) -> None:
        if not outcome.refused:
            raise PartUnavailable(RABBITMQ, outcome.reason)
        if not self._one_by_one:  # which one it was is not certain: a channel that is closed confirms no other either
            self._one_by_one = len(left)
            return
        event = left[0]
        self._refusals += 1
        lately = time.monotonic() - self._parked_types.get(event.type, float("-inf")) < _PARKED_LATELY
        if self._refusals >= _TRIES or lately:
            await self._compare(connection, event, outcome.reason)
        else:
            await self._say(connection, f"{event.type} {event.id}: {outcome.reason}", self._refusals)
            await asyncio.sleep(pause_before(self._refusals - 1, first=0.1, longest=1))

    async def _compare(self, connection: Connection, event: Event, reason: str) -> None:
        """Park the event if another one passes and it does not. Where nothing passes, it is not the event's fault."""
        ahead = await event_outlets.events_after(connection, _position(event), _AMONG)
        other = next((each for each in ahead if each.type != event.type), ahead[0] if ahead else None)
        if other is None or await self._publish_one(other) is not None:
            raise PartUnavailable(RABBITMQ, f"{event.type} {event.id}: {reason}")
        again = await self._publish_one(event)
        if again is None:
            await event_outlets.delivered(connection, OUTLET, _position(event))
            self._gets_on(1)
            return
        if not again.refused:
            raise PartUnavailable(RABBITMQ, again.reason)
        await parked_events.park(connection, OUTLET, event, again.reason, self._refusals + 1)
        log.warning("%s parked %s %s: %s", self._what, event.type, event.id, again.reason)
        self._parked_types[event.type] = time.monotonic()
        self._gets_on(1)

    async def _replay(self, connection: Connection) -> bool:
        """Try a parked event again that somebody asked for; returns whether there was one."""
        if time.monotonic() < self._replay_at:
            return False
        parked = await parked_events.next_to_replay(connection, OUTLET)
        if parked is None:
            self._replay_at = time.monotonic() + _REPLAY_EACH
            return False
        outcome = await self._publish_one(parked.event)
        if outcome is None:
            await parked_events.replayed(connection, parked.id)
        elif outcome.refused:
            await parked_events.refused_again(connection, parked.id, outcome.reason)
        else:
            raise PartUnavailable(RABBITMQ, outcome.reason)
        return True

    async def _wait(self, connection: Connection, error: str) -> None:
        """Out of order as a whole: say so, and wait, each time longer."""
        self._failures += 1
        await self._say(connection, error, self._failures)
        await asyncio.sleep(pause_before(self._failures - 1, first=1, longest=_LONGEST_PAUSE))

    async def _say(self, connection: Connection, error: str, tries: int) -> None:
        if tries == 1 or time.monotonic() - self._said_at > _SAID_AGAIN:
            log.warning("%s waits: %s", self._what, error)
            await event_outlets.stuck(connection, OUTLET, error, tries)
            self._said_at = time.monotonic()

    async def _publish_one(self, event: Event) -> NotConfirmed | None:
        return (await self._publish([event]))[0]

    async def _publish(self, events: Sequence[Event]) -> list[NotConfirmed | None]:
        return await self._publisher.publish([self._message(event) for event in events])

    def _message(self, event: Event) -> Message:
        headers = {
            "sequence": event.sequence,
            "mission_sequence": event.mission_sequence,
            "mission_id": event.mission_id,
        }
        properties = Basic.Properties(
            content_type=CONTENT_TYPE if self._as_cloud_event else "application/json",
            delivery_mode=_PERSISTENT,
            message_id=event.id,
            correlation_id=event.correlation_id,
            timestamp=event.timestamp,
            message_type=event.type,
            app_id="muster",
            headers={name: value for name, value in headers.items() if value is not None},
        )
        return Message(event.type, self._body(event), properties)

    def _body(self, event: Event) -> bytes:
        if self._as_cloud_event:
            return json.dumps(cloud_event(event, source=self._source, types_url=self._types_url)).encode()
        return event.model_dump_json().encode()


def _position(event: Event) -> int:
    assert event.sequence is not None, "only events with a position are read"
    return event.sequence
