"""Publishes a storm at full speed, but never more than the intake keeps up with, and watches the queues meanwhile."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiormq import Channel
from aiormq.abc import ChannelFrame, DeliveredMessage

from examples.thin_agent import ANONYMOUS, envelope
from faults.bad_input.messages.fates import Fate, Message, Tally
from faults.bad_input.messages.making import Speaker
from faults.bad_input.messages.mutations import Mutations
from faults.bad_input.messages.raw_frames import publish, short
from faults.bad_input.messages.stage import Stage
from fleet.dead_letters import REASON_HEADER, ROUTING_KEY_HEADER
from fleet.topology import DATA_REQUEST_QUEUE, DEAD_LETTER_QUEUE, LOSSY_QUEUE, ORDERED_QUEUE, YARD_QUEUE

# Far below where the lossy queues drop their oldest.
_ENOUGH: Mapping[str, int] = {ORDERED_QUEUE: 3_000, LOSSY_QUEUE: 3_000, YARD_QUEUE: 500, DATA_REQUEST_QUEUE: 100}
_LOOK = 0.05
_BURST = 50
_GOOD_SHARE = 0.06
_STRANGERS_SHARE = 0.03
_OTHERS_SHARE = 0.03
_ROUND = ("busy", "ready", "not_automatable")
"""The statuses of good states, one after the other: one that is lost or out of its turn shows in the event log."""


def status_of(number: int) -> str:
    """The status of a speaker's good state of this number, from 1."""
    return _ROUND[(number - 1) % len(_ROUND)]


@dataclass
class Watched:
    """What was seen while it raged. `memory`: MB of the intake, at even distances."""

    memory: list[float] = field(default_factory=list)
    deepest: Counter[str] = field(default_factory=Counter)
    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Dead letters by routing word and reason, as whoever reads the queue finds them."""
    seconds: float = 0.0


Settled = Callable[["Storm"], Awaitable[None]]


class Storm:
    """Sends `count` bad messages, and good ones in between."""

    def __init__(self, stage: Stage, *, count: int, seed: int) -> None:
        self._stage, self._count = stage, count
        self._random = random.Random(seed + 1)
        self._mutations = Mutations(stage.settings, seed, stage.facts)
        self.tally, self.watched = Tally(), Watched()

    async def rage(self, looking: Channel, reading: Channel, settled: Settled) -> None:
        """Send all and wait until `settled`; `looking`, `reading`: channels that may see our queues."""
        began = time.monotonic()
        read = await reading.basic_consume(DEAD_LETTER_QUEUE, self._letter, no_ack=True)
        assert read.consumer_tag is not None
        while self.tally.bad < self._count:
            for _ in range(_BURST):
                await self._one()
            await self._hold_back(looking)
        await settled(self)
        self.watched.seconds = time.monotonic() - began
        await reading.basic_cancel(read.consumer_tag)

    async def unread(self, looking: Channel, reading: Channel, count: int) -> int:
        """Send so many that nobody reads the letters of; how many are kept once all are taken."""
        speaker = self._stage.speakers[-1]
        for _ in range(count):
            message = self._mutations.any_bytes(speaker)
            await self._send(speaker.uuid, message)
            await self._hold_back(looking)
        while (await self._depths(looking))[ORDERED_QUEUE]:  # noqa: ASYNC110 the broker tells nobody
            await asyncio.sleep(_LOOK)
        kept = -1
        while kept != (now := (await reading.queue_declare(DEAD_LETTER_QUEUE, passive=True)).message_count or 0):
            kept = now
            await asyncio.sleep(2.0)
        return kept

    async def _one(self) -> None:
        stage, lot = self._stage, self._random.random()
        if lot < _STRANGERS_SHARE:
            await self._send(ANONYMOUS, self._mutations.of_a_stranger([each.uuid for each in stage.speakers]))
            return
        if lot < _STRANGERS_SHARE + _OTHERS_SHARE:
            await self._send("", self._mutations.of_others())
            return
        speaker = self._random.choice(stage.speakers)
        if lot < _STRANGERS_SHARE + _OTHERS_SHARE + _GOOD_SHARE:
            await self._send(speaker.uuid, self._good(speaker))
            return
        await self._send(speaker.uuid, self._mutations.bad(speaker))

    def _good(self, speaker: Speaker) -> Message:
        if self._random.random() < 0.5:
            speaker.number += 1
            speaker.status = status_of(speaker.number)
            body: dict[str, Any] = {"status": speaker.status, "resources": {"n": speaker.number}}
            word, kind = "state", "agent_state"
        else:
            speaker.reading += 1
            body, word, kind = (
                {"sensors": {"n": speaker.reading}, "x": speaker.reading},
                "visualization",
                "agent_sensors",
            )
        key = f"agent.{speaker.uuid}.{word}".encode()
        user = {"user_id": short(speaker.uuid.encode())}
        return Message(
            "good", self._stage.settings.uplink_exchange, key, envelope(kind, speaker.uuid, body), Fate.GOOD, word, user
        )

    async def _send(self, connection: str, message: Message) -> None:
        channel = self._stage.connections[connection]
        if channel.is_closed:
            raise RuntimeError(f"the broker closed the channel of {connection!r}")
        frames = publish(channel.number, message.exchange, message.key, message.body, message.properties)
        await channel.write_queue.put(ChannelFrame(payload=frames, should_close=False, drain_future=None))
        self.tally.add(message)

    async def _hold_back(self, looking: Channel) -> None:
        while True:
            # What is on its way in our own sockets counts too.
            await asyncio.sleep(0)
            if any(channel.write_queue.qsize() > _BURST for channel in self._stage.connections.values()):
                await asyncio.sleep(_LOOK / 10)
                continue
            if self._looked_at + _LOOK > time.monotonic():
                return
            depths = await self._depths(looking)
            self._looked_at = time.monotonic()
            self.watched.memory.append(self._stage.process.memory_info().rss / 1e6)
            if all(depths[queue] < enough for queue, enough in _ENOUGH.items()):
                return
            await asyncio.sleep(_LOOK)

    _looked_at = 0.0

    async def _depths(self, looking: Channel) -> dict[str, int]:
        depths = {}
        for queue in _ENOUGH:
            depths[queue] = (await looking.queue_declare(queue, passive=True)).message_count or 0
            self.watched.deepest[queue] = max(self.watched.deepest[queue], depths[queue])
        return depths

    async def _letter(self, letter: DeliveredMessage) -> None:
        headers: dict[str, Any] = dict(letter.header.properties.headers or {})
        word = str(headers[ROUTING_KEY_HEADER]).rpartition(".")[2]
        self.watched.letters[word, str(headers[REASON_HEADER])] += 1
