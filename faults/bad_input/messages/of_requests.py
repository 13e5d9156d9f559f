"""What asks for something, or has something begin: events, requests for missions, questions about data."""

import json
import struct
from typing import Any

from faults.bad_input.messages.fates import Fate, Message, dead
from faults.bad_input.messages.making import Making, Speaker
from faults.bad_input.messages.raw_frames import short
from fleet.wire import Reason


def wrong_event(made: Making, speaker: Speaker) -> Message:
    """An event without a name that can be one, or of an agent that has none to raise."""
    if speaker.agent_class not in ("instrument", "platform"):
        content = made.written("agent_event", speaker, {"event_id": "LAUNCHED"})
        return made.says(speaker, "event of no instrument", "event", content, *dead(Reason.NOT_SUPPORTED))
    wrong: dict[str, Any] = made.chance.choice(
        [{}, {"event_id": None}, {"event_id": ""}, {"event_id": 7}, {"event_id": "x" * 201}, {"event_id": []}]
    )
    content = made.written("agent_event", speaker, wrong)
    return made.says(speaker, "wrong event", "event", content, *dead(Reason.INVALID))


def wrong_mission_request(made: Making, speaker: Speaker) -> Message:
    """A mission of no recipe, for nobody, or whose fields are of another type."""
    rng, recipe = made.chance, made.facts.recipe
    body, reason = rng.choice(
        [
            ({"work_process_type_name": f"no-{rng.random()}"}, Reason.REFUSED),
            ({"work_process_type_name": recipe, "yard_uid": "nowhere"}, Reason.REFUSED),
            ({"work_process_type_name": recipe, "agent_uuids": ["nobody"]}, Reason.REFUSED),
            ({"work_process_type_name": recipe, "agent_ids": [2**62]}, Reason.REFUSED),
            ({"work_process_type_name": recipe, "mission_queue_id": 1}, Reason.REFUSED),
            ({"work_process_type_name": recipe, "data": {"a": "\x00"}}, Reason.INVALID),
            ({"work_process_type_name": recipe, "data": {"\ud800": 1}}, Reason.INVALID),
            ({"work_process_type_name": 7}, Reason.INVALID),
            ({"work_process_type_name": recipe, "data": []}, Reason.INVALID),
            ({"work_process_type_name": recipe, "agent_ids": "all"}, Reason.INVALID),
            ({"work_process_type_name": recipe, "agent_ids": [-1]}, Reason.INVALID),
            ({"work_process_type_name": recipe, "priority": "VERY"}, Reason.INVALID),
            ({"work_process_type_name": recipe, **made.junk()}, Reason.INVALID),
        ]
    )
    properties = {"timestamp": struct.pack(">Q", 1_700_000_000 + rng.randrange(10**8))}
    content = made.written("mission_request", speaker, body)
    return made.says(speaker, "wrong mission request", "mission_req", content, *dead(reason), properties)


def wrong_question(made: Making, speaker: Speaker) -> Message:
    """One that cannot be answered; whoever asked is told why, if there is an address."""
    rng = made.chance
    word = rng.choice(["database_req", "summary_req"])
    lot = rng.random()
    if lot < 0.3:
        content = rng.randbytes(40) + b"\xff"
        return made.says(speaker, "question of any bytes", word, content, *dead(Reason.NOT_JSON))
    if lot < 0.5:
        content = made.enveloped(json.dumps({"body": {"query": "allYards"}}))
        wrong = {"reply_to": short(rng.choice([b"muster.agents", b"", b"amq.topic"]))}
        return made.says(speaker, "question without an address", word, content, *dead(Reason.INVALID), wrong)
    asked: dict[str, Any] = rng.choice(
        [
            {},
            {"query": "everything"},
            {"query": None},
            {"query": ["allYards"]},
            {"query": "allYards; DROP TABLE agents"},
            {"query": "allMapObjects", "conditions": "all"},
            {"query": "allMapObjects", "conditions": {"colour": "red"}},
            {"query": "allMapObjects", "conditions": {"id__in": "x"}},
            {"query": "allMapObjects", "conditions": {"yard_id": 2**70}},
            {"mutation": "dropTables", "data": []},
            {"mutation": "deleteMapObjects", "conditions": {}},
            {"mutation": "createMapObjects", "data": {"a": "\x00"}},
            {"mutation": "createMapObjects", "data": [{"name": "\ud800"}]},
        ]
    )
    content = made.enveloped(json.dumps({"body": asked}))
    reply_to = made.facts.reply_to[speaker.uuid].encode()
    properties = {"reply_to": short(reply_to), "correlation_id": short(str(rng.random()).encode())}
    return made.says(speaker, "wrong question", word, content, Fate.ANSWERED, "", properties)
