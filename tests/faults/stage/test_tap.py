"""What the tap reads of a message to an agent."""

import json
from typing import Any

from faults.stage.tap import line_of
from fleet import wire
from fleet.wire import AssignmentMessage

MESSAGE = AssignmentMessage(7, 3, None, "2030-01-01 00:00:00", {}, {"work": 1})


def enveloped(message: Any) -> bytes:
    return json.dumps({"message": json.dumps(message), "signature": ""}).encode()


def test_what_missions_tell_agents_is_read() -> None:
    told = {"agent": "a", "mission": 3, "heard": True}
    assert line_of(enveloped(wire.reserve("a", 3, ())), True) == {"what": "reserve", "assignment": None, **told}
    assert line_of(enveloped(wire.release("a", 3)), True) == {"what": "release", "assignment": None, **told}
    assert line_of(enveloped(wire.assignment("a", MESSAGE)), True) == {"what": "assignment", "assignment": 7, **told}
    assert line_of(enveloped(wire.cancel("a", MESSAGE)), True) == {"what": "cancel", "assignment": 7, **told}


def test_all_else_is_left_out() -> None:
    assert line_of(enveloped({"work": 1}), True) is None
    assert line_of(enveloped(["an", "order"]), True) is None
    assert line_of(enveloped(wire.custom_action("a", "pause", 1)), True) is None
