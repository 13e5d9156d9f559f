"""What a kind of bad messages is made with: who talks, what there is to be wrong about, and how a message is written.

A kind is a function from these to a message with its fate.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults.bad_input.messages.fates import Fate, Message
from faults.bad_input.messages.raw_frames import short
from settings import Settings

ORDERED = ("state", "state", "state", "event", "mission_req")
LOSSY = ("visualization", "visualization", "update")
TYPES = {
    "state": "agent_state",
    "event": "agent_event",
    "mission_req": "mission_request",
    "visualization": "agent_sensors",
    "update": "agent_update",
}
"""Of what is said under each word of a routing key."""
UNSTORABLE = ('"a\\u0000b"', '"\\ud800"', '"x\\udfffy"', "1e999", "-1e400")
"""JSON that no database takes."""


@dataclass
class Speaker:
    """An agent that talks nonsense, and the truth in between. `status`: what it said last."""

    uuid: str
    agent_class: str
    status: str
    number: int = 0
    """Of its last good state."""
    reading: int = 0
    """Of its last good sensors."""


@dataclass(frozen=True)
class Facts:
    """What there is in the installation that messages can be wrong about. Numbers of assignments by their story."""

    yard_uid: str
    ended: int
    """Of `retired`, which is free."""
    retired: str
    held: int
    """Under way, of `holder`."""
    unsent: int
    """Its mission's next one, not sent yet."""
    holder: str
    recipe: str
    reply_to: dict[str, str]
    """Queues that the speakers listen on, by uuid."""


@dataclass(frozen=True)
class Making:
    """What a kind makes its message of."""

    settings: Settings
    chance: random.Random
    facts: Facts

    def says(
        self,
        speaker: Speaker,
        kind: str,
        word: str,
        content: bytes,
        fate: Fate,
        reason: str,
        properties: dict[str, bytes] | None = None,
    ) -> Message:
        """The speaker's message; `word`: the last one of the routing key."""
        named = {} if self.chance.random() < 0.3 else {"user_id": short(speaker.uuid.encode())}
        key = f"agent.{speaker.uuid}.{word}".encode()
        return Message(kind, self.settings.uplink_exchange, key, content, fate, reason, named | (properties or {}))

    def written(self, message_type: str, speaker: Speaker, body: object) -> bytes:
        """A message of this body in its envelope."""
        return self.enveloped(json.dumps({"type": message_type, "uuid": speaker.uuid, "body": body}))

    def enveloped(self, text: str) -> bytes:
        """The text of a message in its envelope, under a signature that means nothing to us."""
        signature = self.chance.choice([None, None, "", "00ff", [1, 2], [999], {"a": 1}, 7])
        return json.dumps({"message": text, "signature": signature}).encode()

    def junk(self) -> dict[str, Any]:
        """Keys that nobody knows."""
        values: list[Any] = [
            None,
            True,
            0,
            -1,
            2**63,
            10**300,
            1e308,
            "",
            "\x00",
            "\ud800",
            [],
            {},
            [[[]]],
            "x" * 3_000,
        ]
        keys = ["a", "", "\x00", "_version", "🚜", "k" * 300]
        return {self.chance.choice(keys): self.chance.choice(values) for _ in range(3)}


Kind = Callable[[Making, Speaker], Message]
