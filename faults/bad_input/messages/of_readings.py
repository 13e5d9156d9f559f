"""Readings, descriptions and sights of a yard whose content is wrong."""

import json
from typing import Any

from faults.bad_input.messages.fates import Message, dead
from faults.bad_input.messages.making import LOSSY, TYPES, UNSTORABLE, Making, Speaker
from faults.bad_input.messages.raw_frames import short
from fleet.wire import Reason


def wrong_reading(made: Making, speaker: Speaker) -> Message:
    """A field of sensors or of a description that is of another type."""
    rng = made.chance
    word = rng.choice(LOSSY)
    body: dict[str, Any] = rng.choice(
        [
            {"x": "here"},
            {"pose": 5},
            {"pose": {"x": [1]}},
            {"pose": {"x": 10**400}},
            {"pose": {"orientations": "north"}},
            {"orientations": [None]},
            {"name": 7},
            {"name": "\ud800"},
            {"is_actuator": "perhaps"},
            {"unit": {"mm": 1}},
            {"data_format": []},
        ]
    )
    if word == "update" and rng.random() < 0.5:
        body = rng.choice([{"followers": "all"}, {"followers": [1]}, {"followers": ["a"] * 101}, {"followers": {}}])
    content = made.written(TYPES[word], speaker, body)
    return made.says(speaker, "wrong reading", word, content, *dead(Reason.INVALID))


def unstorable_reading(made: Making, speaker: Speaker) -> Message:
    """JSON that no database takes."""
    rng = made.chance
    odd, word = rng.choice(UNSTORABLE), rng.choice(LOSSY)
    place = rng.choice(["sensors", "factsheet", "geometry"])
    text = f'{{"type": "{TYPES[word]}", "uuid": "{speaker.uuid}", "body": {{"{place}": {{"a": [{odd}]}}}}}}'
    if rng.random() < 0.3:
        text = f'{{"type": "{TYPES[word]}", "uuid": "{speaker.uuid}", "body": {{"unit": "a\\u0000"}}}}'
    return made.says(speaker, "reading no database takes", word, made.enveloped(text), *dead(Reason.INVALID))


def wrong_sight(made: Making, speaker: Speaker) -> Message:
    """What an assistant sees in a yard: of nobody, or map objects that are none."""
    subject, body, reason = made.chance.choice(
        [
            (f"nobody-{made.chance.random()}", {"pose": {"x": 1}}, Reason.UNKNOWN_AGENT),
            (speaker.uuid, {"pose": "here"}, Reason.INVALID),
            (speaker.uuid, {"map_objects": 5}, Reason.INVALID),
            (speaker.uuid, {"map_objects": [{"name": "no id"}]}, Reason.INVALID),
            (speaker.uuid, {"map_objects": [{"id": 1, "colour": "red"}]}, Reason.INVALID),
            (speaker.uuid, {"map_object": {"id": 1, "name": "\x00"}}, Reason.INVALID),
            (speaker.uuid, {"map_object": {"id": 1, "data": {"\ud800": 1}}}, Reason.INVALID),
        ]
    )
    content = made.enveloped(json.dumps({"type": "agent_sensors", "uuid": subject, "body": body}))
    key = f"yard.{made.facts.yard_uid}.visualization".encode()
    properties = {"user_id": short(speaker.uuid.encode())}
    return Message("wrong sight", made.settings.uplink_exchange, key, content, *dead(reason), properties=properties)
