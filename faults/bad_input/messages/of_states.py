"""States and reports: of a wrong content, of a right one at the wrong moment, and odd ones that are lawful."""

import json
from typing import Any, cast

from examples.thin_agent import envelope
from faults.bad_input.messages.fates import Fate, Message, dead
from faults.bad_input.messages.making import UNSTORABLE, Making, Speaker
from fleet.wire import Reason


def wrong_state(made: Making, speaker: Speaker) -> Message:
    """A field that is not there, of another type, or of no meaning."""
    now = speaker.status
    body, reason = made.chance.choice(
        [
            ({}, Reason.INVALID),
            ({"status": None}, Reason.INVALID),
            ({"status": 7}, Reason.INVALID),
            ({"status": ["free"]}, Reason.INVALID),
            ({"Status": "free", **made.junk()}, Reason.INVALID),
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
    return made.says(speaker, "wrong state", "state", made.written("agent_state", speaker, body), *dead(reason))


def unstorable_state(made: Making, speaker: Speaker) -> Message:
    """JSON that no database takes, in what is kept as it is said."""
    odd = made.chance.choice(UNSTORABLE)
    text = f'{{"type": "agent_state", "uuid": "{speaker.uuid}", "body": {{"status": "{speaker.status}", '
    text += made.chance.choice(
        [f'"resources": {{"a": {odd}}}}}}}', f'"resources": {{"a": [[{{"b": {odd}}}]], "n": 1}}}}}}']
    )
    return made.says(speaker, "state no database takes", "state", made.enveloped(text), *dead(Reason.INVALID))


def wrong_moment(made: Making, speaker: Speaker) -> Message:
    """A report on what is not there, is another's, has ended or was never sent."""
    facts = made.facts
    body, reason = made.chance.choice(
        [
            (
                {"assignment": {"id": 2**50 + made.chance.randrange(10**6), "status": "executing"}},
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
    content = made.written("agent_state", speaker, {"status": speaker.status, **cast(dict[str, Any], body)})
    return made.says(speaker, "report at the wrong moment", "state", content, *dead(reason))


def odd_but_lawful(made: Making, speaker: Speaker) -> Message:
    """Taken: none changes how the speaker stands."""
    now = speaker.status
    reserved = {"work_process_id": made.chance.choice([10**9, "17", 0, "9" * 400]), "reserved": True}
    said = made.chance.choice(
        [
            {"status": now.upper()},
            {"status": now, **made.junk()},
            {"status": now, "wp_clearance": reserved},
            {"status": now, "wp_clearance": {"wp_id": 2**80}},
            {"status": now, "assignment": None, "resources": None},
            {"status": now, "assignment": {"status": "executing"}},
            {"status": now, "instant_action": "lift"},
            {"status": now, "instant_action": {"id": "one"}},
            {"status": now, "deep": json.loads("[" * 300 + "]" * 300)},
        ]
    )
    content = made.written("agent_state", speaker, said)
    return made.says(speaker, "odd but lawful state", "state", content, Fate.TAKEN, "")


def report_of_old(made: Making) -> Message:
    """What comes without a name, in the name of agents that are in a mission or were in one."""
    facts = made.facts
    status, uuid, assignment, fate, reason = made.chance.choice(
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
    content, key = envelope("agent_state", uuid, said), f"agent.{uuid}.state".encode()
    return Message("report of old", made.settings.uplink_exchange, key, content, fate, reason)
