"""The generator: messages of all sorts of wrong, by one seed, each with the fate that it must have.

Any bytes; JSON of the wrong shape; right shapes with wrong content; right messages at the wrong moment.
"""

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from examples.thin_agent import envelope
from faults.bad_input.fates import Fate, Message, dead
from faults.bad_input.raw_frames import short
from fleet.wire import MAX_MESSAGE_BYTES, Reason
from settings import Settings

_LARGE = 1024 * 1024
_ORDERED = ("state", "state", "state", "event", "mission_req")
_LOSSY = ("visualization", "visualization", "update")
_TYPES = {
    "state": "agent_state",
    "event": "agent_event",
    "mission_req": "mission_request",
    "visualization": "agent_sensors",
    "update": "agent_update",
    "checkin": "checkin",
}
_UNSTORABLE = ('"a\\u0000b"', '"\\ud800"', '"x\\udfffy"', "1e999", "-1e400")


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


class Mutations:
    """Makes bad messages for a speaker; `stranger`: whether the connection of `anonymous` is to send it."""

    def __init__(self, settings: Settings, seed: int, facts: Facts) -> None:
        self._settings, self._facts = settings, facts
        self._random = random.Random(seed)
        self._of_ordered: Sequence[Callable[[Speaker], Message]] = (
            *4 * (self._any_bytes,),
            *4 * (self._broken_json,),
            *3 * (self._wrong_outside,),
            *5 * (self._wrong_state,),
            *3 * (self._wrong_moment,),
            *2 * (self._odd_but_lawful,),
            *2 * (self._odd_properties,),
            self._unstorable_state,
            self._wrong_event,
            self._wrong_mission_request,
        )
        self._of_lossy: Sequence[Callable[[Speaker], Message]] = (
            self._any_bytes_lossy,
            self._broken_json_lossy,
            self._wrong_reading,
            self._wrong_reading,
            self._unstorable_reading,
        )

    def bad(self, speaker: Speaker) -> Message:
        """The next bad message that this speaker sends."""
        lot = self._random.random()
        if lot < 0.0004:
            return self._huge(speaker)
        if lot < 0.22:
            return self._random.choice(self._of_lossy)(speaker)
        if lot < 0.25:
            return self._data_request(speaker)
        if lot < 0.28 and speaker.agent_class == "assistant":
            return self._yard(speaker)
        return self._random.choice(self._of_ordered)(speaker)

    def of_a_stranger(self, uuids: Sequence[str]) -> Message:
        """A check-in over the account that everybody knows."""
        rng = self._random
        uuid = rng.choice(uuids)
        body: dict[str, Any] = {"yard_uid": self._facts.yard_uid, "status": "free", "name": uuid}
        token = self._settings.agent_registration_token.get_secret_value()
        refused: list[tuple[str, dict[str, Any]]] = [
            ("token", {"registration_token": f"wrong-{rng.random()}"}),
            ("token", {"registration_token": None}),
            ("token", {}),
            ("invalid", {"registration_token": 17}),
            ("invalid", {"registration_token": token, "yard_uid": "nowhere"}),
            ("invalid", {"registration_token": token, "yard_uid": None}),
            ("invalid", {"registration_token": token, "status": "dancing"}),
            ("invalid", {"registration_token": token, "status": "x" * 5_000}),
            ("invalid", {"registration_token": token, "x": "here"}),
            ("unknown_agent", {}),
        ]
        lot = rng.randrange(len(refused) + 6)
        key = f"agent.{uuid}.checkin".encode()
        properties = {"reply_to": short(b"amq.gen-nobody")} if rng.random() < 0.3 else {}
        if lot < len(refused):
            reason, said = refused[lot]
            kind = "checkin"
            if reason == "unknown_agent":
                uuid, kind = f"stranger-{rng.randrange(10**9)}", "checkout"
                key = f"agent.{uuid}.checkin".encode()
            content = envelope(kind, uuid, body | said)
            return self._message("check-in refused", key, content, Fate.REFUSED, reason, properties)
        if lot == len(refused):
            content = envelope("song", uuid, body)
            return self._message("check-in of no type", key, content, *dead(Reason.UNKNOWN_TYPE), properties)
        if lot == len(refused) + 1:
            key = b"agent." + rng.choice([b"\xff\xfe", b"a b", b"x" * 65, b"\xc3\x28", b"a/b", b"'"]) + b".checkin"
            content = envelope("checkin", uuid, body)
            return self._message("check-in under no name", key, content, *dead(Reason.BAD_ROUTING_KEY), properties)
        if lot == len(refused) + 2:
            content = envelope("checkin", f"{uuid}x", body)
            return self._message("check-in of another", key, content, *dead(Reason.UUID_MISMATCH), properties)
        content = self._random.randbytes(rng.randrange(1, 200))
        return self._message("check-in of any bytes", key, b"\xff" + content, *dead(Reason.NOT_JSON), properties)

    def of_others(self) -> Message:
        """What comes without a name, in the name of agents that are in a mission or were in one."""
        facts, rng = self._facts, self._random
        status, uuid, assignment, fate, reason = rng.choice(
            [
                ("free", facts.retired, (facts.ended, "failed"), Fate.LATE, "report_after_the_end"),
                ("free", facts.retired, (facts.ended, "executing"), Fate.LATE, "report_after_the_end"),
                ("free", facts.retired, (facts.ended, "succeeded"), Fate.TAKEN, ""),
                ("busy", facts.holder, (facts.held, "executing"), Fate.TAKEN, ""),
                ("busy", facts.holder, (facts.unsent, "succeeded"), *dead(Reason.ASSIGNMENT_NOT_SENT)),
                ("busy", facts.holder, (facts.ended, "succeeded"), *dead(Reason.NOT_ITS_ASSIGNMENT)),
            ]
        )
        said = {"status": status, "assignment": {"id": assignment[0], "status": assignment[1], "result": {}}}
        content = envelope("agent_state", uuid, said)
        return self._message("report of old", f"agent.{uuid}.state".encode(), content, fate, reason)

    # --- any bytes

    def any_bytes(self, speaker: Speaker) -> Message:
        """No JSON, among the states."""
        return self._any_bytes(speaker, ("state",))

    def _any_bytes(self, speaker: Speaker, words: Sequence[str] = _ORDERED) -> Message:
        rng = self._random
        body = rng.randbytes(rng.choice([0, 1, 3, 50, 400, 2000]))
        if rng.random() < 0.3:
            body = rng.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"\x00"]) + body
        # By chance it may be a number; that is no object either.
        return self._says(speaker, "any bytes", rng.choice(words), body, *dead(Reason.NOT_JSON))

    def _any_bytes_lossy(self, speaker: Speaker) -> Message:
        return self._any_bytes(speaker, _LOSSY)

    def _broken_json(self, speaker: Speaker, words: Sequence[str] = _ORDERED) -> Message:
        rng = self._random
        word = rng.choice(words)
        good = envelope(_TYPES[word], speaker.uuid, {"status": speaker.status, "a": "ü"})
        inner = json.dumps({"type": _TYPES[word], "uuid": speaker.uuid, "body": {"status": speaker.status}})
        nested = rng.choice([1_500, 20_000, 100_000])
        body = rng.choice(
            [
                good[: rng.randrange(1, len(good))],
                good.replace(b"agent", b"\xed\xa0\x80", 1) if b"agent" in good else b"{",
                good.replace(b"{", b"{\xc3\x28", 1),
                good + b"}",
                good[:-1] + b',"x": NaN}',
                good[:-1] + b',"x": -Infinity}',
                b'{"x": ' + b"9" * 5_000 + b"}",
                b"[" * nested,
                b'{"a":' * nested + b"1" + b"}" * nested,
                json.dumps({"message": inner[:-1]}).encode(),
                json.dumps({"message": inner[:-1] + ', "n": NaN}'}).encode(),
                json.dumps({"message": "[" * nested}).encode(),
                json.dumps({"message": rng.choice(["[]", "3", '"a"', "null", "", "\u0000", "\ud800"])}).encode(),
                rng.choice([b"[]", b"null", b"true", b'"text"', b"17", b"1e999", b"[" + good + b"]"]),
                inner.encode("utf-16"),
                b'{"message": "{\\"uuid\\": \\"\x00\\"}"}',
            ]
        )
        return self._says(speaker, "broken JSON", word, body, *dead(Reason.NOT_JSON))

    def _broken_json_lossy(self, speaker: Speaker) -> Message:
        return self._broken_json(speaker, _LOSSY)

    # --- the envelope is right, and what is in it is not

    def _wrong_outside(self, speaker: Speaker) -> Message:
        rng = self._random
        word = rng.choice([*_ORDERED, *_LOSSY])
        inner: dict[str, Any] = {"type": _TYPES[word], "uuid": speaker.uuid, "body": {"status": speaker.status}}
        lot = rng.randrange(5)
        if lot == 0:
            inner["uuid"] = rng.choice([None, 7, [], {}, "", [speaker.uuid], True])
            reason = Reason.NO_UUID
        elif lot == 1:
            del inner["uuid"]
            inner |= self._junk()
            reason = Reason.NO_UUID
        elif lot == 2:
            inner["uuid"] = rng.choice(
                [self._facts.holder, f"{speaker.uuid} ", "*", "#", "\x00", "\ud800", "x" * 9_000]
            )
            reason = Reason.UUID_MISMATCH
        elif lot == 3:
            inner["body"] = rng.choice([None, 7, "free", [{"status": "free"}], True, 1.5])
            reason = Reason.INVALID
        else:
            inner["type"] = rng.choice([None, 7, [], {}, "song", "", "AGENT_STATE", "\ud800", "x" * 9_000])
            reason = Reason.UNKNOWN_TYPE
        text = json.dumps(inner)
        if lot == 2 and rng.random() < 0.3:  # keys twice: the last one counts
            text = f'{{"uuid": {json.dumps(speaker.uuid)}, {text[1:]}'
        # Without its envelope it is taken too.
        body = text.encode() if rng.random() < 0.2 else self._enveloped(text)
        return self._says(speaker, "wrong outside", word, body, *dead(reason))

    def _wrong_state(self, speaker: Speaker) -> Message:
        rng = self._random
        now = speaker.status
        body, reason = rng.choice(
            [
                ({}, Reason.INVALID),
                ({"status": None}, Reason.INVALID),
                ({"status": 7}, Reason.INVALID),
                ({"status": ["free"]}, Reason.INVALID),
                ({"Status": "free", **self._junk()}, Reason.INVALID),
                ({"status": "\ud800"}, Reason.UNKNOWN_STATUS),
                ({"status": now, "resources": [1]}, Reason.INVALID),
                ({"status": now, "resources": "none"}, Reason.INVALID),
                ({"status": now, "assignment": "5"}, Reason.INVALID),
                ({"status": now, "assignment": {"id": -1, "status": "active"}}, Reason.INVALID),
                ({"status": now, "assignment": {"id": 1.5, "status": "active"}}, Reason.INVALID),
                ({"status": now, "assignment": {"id": 2**63, "status": "active"}}, Reason.INVALID),
                ({"status": now, "assignment": {"id": 10**300, "status": "active"}}, Reason.INVALID),
                ({"status": now, "assignment": {"id": "five", "status": "active"}}, Reason.INVALID),
                ({"status": now, "assignment": {"id": 5, "status": 17}}, Reason.INVALID),
                ({"status": now, "assignment": {"assignment_status": {"id": []}}}, Reason.INVALID),
                ({"status": now, "wp_clearance": 3}, Reason.INVALID),
                ({"status": "dancing"}, Reason.UNKNOWN_STATUS),
                ({"status": ""}, Reason.UNKNOWN_STATUS),
                ({"status": "free\x00"}, Reason.UNKNOWN_STATUS),
                ({"status": "x" * 20_000}, Reason.UNKNOWN_STATUS),
                ({"status": "\u202efree"}, Reason.UNKNOWN_STATUS),
            ]
        )
        return self._says(speaker, "wrong state", "state", self._in("agent_state", speaker, body), *dead(reason))

    def _unstorable_state(self, speaker: Speaker) -> Message:
        odd = self._random.choice(_UNSTORABLE)
        text = f'{{"type": "agent_state", "uuid": "{speaker.uuid}", "body": {{"status": "{speaker.status}", '
        text += self._random.choice(
            [f'"resources": {{"a": {odd}}}}}}}', f'"resources": {{"a": [[{{"b": {odd}}}]], "n": 1}}}}}}']
        )
        return self._says(speaker, "state no database takes", "state", self._enveloped(text), *dead(Reason.INVALID))

    def _wrong_event(self, speaker: Speaker) -> Message:
        rng = self._random
        if speaker.agent_class not in ("instrument", "platform"):
            body = {"event_id": "LAUNCHED"}
            return self._says(
                speaker,
                "event of no instrument",
                "event",
                self._in("agent_event", speaker, body),
                *dead(Reason.NOT_SUPPORTED),
            )
        wrong: dict[str, Any] = rng.choice(
            [{}, {"event_id": None}, {"event_id": ""}, {"event_id": 7}, {"event_id": "x" * 201}, {"event_id": []}]
        )
        return self._says(
            speaker, "wrong event", "event", self._in("agent_event", speaker, wrong), *dead(Reason.INVALID)
        )

    def _wrong_mission_request(self, speaker: Speaker) -> Message:
        rng, facts = self._random, self._facts
        body, reason = rng.choice(
            [
                ({"work_process_type_name": f"no-{rng.random()}"}, Reason.REFUSED),
                ({"work_process_type_name": facts.recipe, "yard_uid": "nowhere"}, Reason.REFUSED),
                ({"work_process_type_name": facts.recipe, "agent_uuids": ["nobody"]}, Reason.REFUSED),
                ({"work_process_type_name": facts.recipe, "agent_ids": [2**62]}, Reason.REFUSED),
                ({"work_process_type_name": facts.recipe, "mission_queue_id": 1}, Reason.REFUSED),
                ({"work_process_type_name": facts.recipe, "data": {"a": "\x00"}}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, "data": {"\ud800": 1}}, Reason.INVALID),
                ({"work_process_type_name": 7}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, "data": []}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, "agent_ids": "all"}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, "agent_ids": [-1]}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, "priority": "VERY"}, Reason.INVALID),
                ({"work_process_type_name": facts.recipe, **self._junk()}, Reason.INVALID),
            ]
        )
        properties = {"timestamp": struct.pack(">Q", 1_700_000_000 + rng.randrange(10**8))}
        content = self._in("mission_request", speaker, body)
        return self._says(speaker, "wrong mission request", "mission_req", content, *dead(reason), properties)

    # --- right messages at the wrong moment

    def _wrong_moment(self, speaker: Speaker) -> Message:
        rng, facts, now = self._random, self._facts, speaker.status
        body, reason = rng.choice(
            [
                (
                    {"assignment": {"id": 2**50 + rng.randrange(10**6), "status": "executing"}},
                    Reason.UNKNOWN_ASSIGNMENT,
                ),
                ({"assignment": {"id": 2**63 - 1, "status": "succeeded", "result": {}}}, Reason.UNKNOWN_ASSIGNMENT),
                ({"assignment": {"id": 0, "status": "failed"}}, Reason.UNKNOWN_ASSIGNMENT),
                ({"assignment": {"id": facts.held, "status": "succeeded"}}, Reason.NOT_ITS_ASSIGNMENT),
                ({"assignment": {"id": facts.ended, "status": "failed"}}, Reason.NOT_ITS_ASSIGNMENT),
                ({"assignment": {"id": facts.unsent, "status": "executing"}}, Reason.NOT_ITS_ASSIGNMENT),
                ({"assignment": {"id": facts.held, "status": "to_dispatch"}}, Reason.UNKNOWN_STATUS),
                ({"assignment": {"id": facts.held, "status": "\x00"}}, Reason.UNKNOWN_STATUS),
                ({"assignment": {"id": facts.held}}, Reason.UNKNOWN_STATUS),
                ({"instant_action": {"id": 2**60, "status": "done"}}, Reason.UNKNOWN_INSTANT_ACTION),
                (
                    {"instant_action": {"id": 1, "status": "\x00", "result": {"a": "\ud800"}}},
                    Reason.UNKNOWN_INSTANT_ACTION,
                ),
            ]
        )
        content = self._in("agent_state", speaker, {"status": now, **cast(dict[str, Any], body)})
        return self._says(speaker, "report at the wrong moment", "state", content, *dead(reason))

    def _odd_but_lawful(self, speaker: Speaker) -> Message:
        """Taken: none changes how the speaker stands."""
        now = speaker.status
        reserved = {"work_process_id": self._random.choice([10**9, "17", 0, "9" * 400]), "reserved": True}
        said = self._random.choice(
            [
                {"status": now.upper()},
                {"status": now, **self._junk()},
                {"status": now, "wp_clearance": reserved},
                {"status": now, "wp_clearance": {"wp_id": 2**80}},
                {"status": now, "assignment": None, "resources": None},
                {"status": now, "assignment": {"status": "executing"}},
                {"status": now, "instant_action": "lift"},
                {"status": now, "instant_action": {"id": "one"}},
                {"status": now, "deep": json.loads("[" * 300 + "]" * 300)},
            ]
        )
        content = self._in("agent_state", speaker, said)
        return self._says(speaker, "odd but lawful state", "state", content, Fate.TAKEN, "")

    def _odd_properties(self, speaker: Speaker) -> Message:
        rng = self._random
        content = self._in("agent_state", speaker, {"status": speaker.status})
        unreadable: list[dict[str, bytes]] = [
            {"timestamp": struct.pack(">Q", 2**64 - 1)},
            {"correlation_id": short(b"\xff\xfe\xff")},
            {"reply_to": short(b"\xc3\x28")},
            {"content_type": short(b"\x80" * 200)},
            {"headers": _table(b"\x02\xff\xfe" + b"I" + struct.pack(">i", 1))},
        ]
        lawful: list[dict[str, bytes]] = [
            {"timestamp": struct.pack(">Q", 0)},
            {"timestamp": struct.pack(">Q", 1_900_000_000_000)},
            {"priority": b"\xff"},
            {"content_encoding": short(b"gzip"), "content_type": short(b"text/html")},
            {"reply_to": short(b"muster.agents")},
            {"reply_to": short("a b\n\u202e".encode()), "correlation_id": short(b"x" * 255)},
            {"message_id": short(b"\x00" * 255), "app_id": short(b"app"), "type": short(b"\r\n")},
            {"headers": _table(b"\x05x-key" + b"S" + struct.pack(">I", 60_000) + b"y" * 60_000)},
            {"headers": _table(b"\x01a" + b"F" + _table(b"\x01b" + b"t\x01"))},
            {"headers": _table(b"")},
            {"headers": _table(b"\x01a" + b"S" + struct.pack(">I", 2) + b"\xff\xff")},
            {"delivery_mode": b"\2"},
        ]
        if rng.random() < 0.5:
            return self._says(
                speaker,
                "unreadable properties",
                "state",
                content,
                *dead(Reason.BAD_PROPERTIES),
                rng.choice(unreadable),
            )
        return self._says(speaker, "odd properties", "state", content, Fate.TAKEN, "", rng.choice(lawful))

    # --- sensors, descriptions, yards, questions

    def _wrong_reading(self, speaker: Speaker) -> Message:
        rng = self._random
        word = rng.choice(_LOSSY)
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
        kind = _TYPES[word]
        if kind == "agent_update" and rng.random() < 0.5:
            body = rng.choice([{"followers": "all"}, {"followers": [1]}, {"followers": ["a"] * 101}, {"followers": {}}])
        return self._says(speaker, "wrong reading", word, self._in(kind, speaker, body), *dead(Reason.INVALID))

    def _unstorable_reading(self, speaker: Speaker) -> Message:
        rng = self._random
        odd, word = rng.choice(_UNSTORABLE), rng.choice(_LOSSY)
        place = rng.choice(["sensors", "factsheet", "geometry"])
        text = f'{{"type": "{_TYPES[word]}", "uuid": "{speaker.uuid}", "body": {{"{place}": {{"a": [{odd}]}}}}}}'
        if rng.random() < 0.3:
            text = f'{{"type": "{_TYPES[word]}", "uuid": "{speaker.uuid}", "body": {{"unit": "a\\u0000"}}}}'
        return self._says(speaker, "reading no database takes", word, self._enveloped(text), *dead(Reason.INVALID))

    def _yard(self, speaker: Speaker) -> Message:
        rng = self._random
        subject, body, reason = rng.choice(
            [
                (f"nobody-{rng.random()}", {"pose": {"x": 1}}, Reason.UNKNOWN_AGENT),
                (speaker.uuid, {"pose": "here"}, Reason.INVALID),
                (speaker.uuid, {"map_objects": 5}, Reason.INVALID),
                (speaker.uuid, {"map_objects": [{"name": "no id"}]}, Reason.INVALID),
                (speaker.uuid, {"map_objects": [{"id": 1, "colour": "red"}]}, Reason.INVALID),
                (speaker.uuid, {"map_object": {"id": 1, "name": "\x00"}}, Reason.INVALID),
                (speaker.uuid, {"map_object": {"id": 1, "data": {"\ud800": 1}}}, Reason.INVALID),
            ]
        )
        content = self._enveloped(json.dumps({"type": "agent_sensors", "uuid": subject, "body": body}))
        key = f"yard.{self._facts.yard_uid}.visualization".encode()
        properties = {"user_id": short(speaker.uuid.encode())}
        return Message(
            "wrong sight", self._settings.uplink_exchange, key, content, *dead(reason), properties=properties
        )

    def _data_request(self, speaker: Speaker) -> Message:
        rng = self._random
        reply_to = self._facts.reply_to[speaker.uuid].encode()
        word = rng.choice(["database_req", "summary_req"])
        lot = rng.random()
        if lot < 0.3:
            return self._says(
                speaker, "question of any bytes", word, rng.randbytes(40) + b"\xff", *dead(Reason.NOT_JSON)
            )
        if lot < 0.5:
            body = self._enveloped(json.dumps({"body": {"query": "allYards"}}))
            wrong = {"reply_to": short(rng.choice([b"muster.agents", b"", b"amq.topic"]))}
            return self._says(speaker, "question without an address", word, body, *dead(Reason.INVALID), wrong)
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
        body = self._enveloped(json.dumps({"body": asked}))
        properties = {"reply_to": short(reply_to), "correlation_id": short(str(rng.random()).encode())}
        return self._says(speaker, "wrong question", word, body, Fate.ANSWERED, "", properties)

    # --- helpers

    def _huge(self, speaker: Speaker) -> Message:
        rng = self._random
        if rng.random() < 0.1:
            body = b'{"a": "' + b"y" * MAX_MESSAGE_BYTES + b'"}'
            return self._says(speaker, "more than is read", "state", body, *dead(Reason.TOO_LARGE))
        if rng.random() < 0.5:
            content = self._in("agent_state", speaker, {"status": "z" * _LARGE})
            return self._says(speaker, "1 MB of status", "state", content, *dead(Reason.UNKNOWN_STATUS))
        content = self._in("agent_sensors", speaker, {"x": "z" * _LARGE})
        return self._says(speaker, "1 MB of x", "visualization", content, *dead(Reason.INVALID))

    def _junk(self) -> dict[str, Any]:
        """Keys that nobody knows."""
        rng = self._random
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
        return {rng.choice(["a", "", "\x00", "_version", "🚜", "k" * 300]): rng.choice(values) for _ in range(3)}

    def _in(self, kind: str, speaker: Speaker, body: object) -> bytes:
        return self._enveloped(json.dumps({"type": kind, "uuid": speaker.uuid, "body": body}))

    def _enveloped(self, text: str) -> bytes:
        signature = self._random.choice([None, None, "", "00ff", [1, 2], [999], {"a": 1}, 7])
        return json.dumps({"message": text, "signature": signature}).encode()

    def _says(
        self,
        speaker: Speaker,
        kind: str,
        word: str,
        body: bytes,
        fate: Fate,
        reason: str,
        properties: dict[str, bytes] | None = None,
    ) -> Message:
        named = {} if self._random.random() < 0.3 else {"user_id": short(speaker.uuid.encode())}
        key = f"agent.{speaker.uuid}.{word}".encode()
        return Message(kind, self._settings.uplink_exchange, key, body, fate, reason, named | (properties or {}))

    def _message(
        self, kind: str, key: bytes, body: bytes, fate: Fate, reason: str, properties: dict[str, bytes] | None = None
    ) -> Message:
        exchange = self._settings.anonymous_exchange if key.endswith(b".checkin") else self._settings.uplink_exchange
        return Message(kind, exchange, key, body, fate, reason, properties or {})


def _table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
