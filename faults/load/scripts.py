"""The kinds of missions in flight, and how each must end."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from missions.errors import FailureCode

RECIPE = "planned"
RESULT_TIMEOUT = 120
"""Seconds for a planner's answer."""

# An assignment that the broker had confirmed and then lost with its queue, or that was on its way when a worker died:
# nobody knows whether the agent has it. The recipes here say `unconfirmedStart: fail`.
UNKNOWN_OUTCOME = FailureCode.ASSIGNMENT_NOT_STARTED


@dataclass(frozen=True)
class Mission:
    """What is asked for, and what comes of it."""

    kind: str
    agents: list[str]
    data: dict[str, Any]
    ends: str = "succeeded"
    code: str = ""
    """Of its failure, if it has to be that one."""
    cancel_after: float | None = None
    """Seconds from its acceptance; None: it is left alone."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What else its request says."""
    then: "Mission | None" = None
    """Asked for when this one has ended."""


def answer(groups: list[list[tuple[str, float]]], stop: float = 0.0) -> dict[str, Any]:
    """What the planner says: who works how long (seconds), group by group."""
    return orders([[(agent, {"work": work, "stop": stop, **_DRIVE}) for agent, work in group] for group in groups])


def orders(groups: list[list[tuple[str, dict[str, Any]]]]) -> dict[str, Any]:
    """What the planner says: who gets which assignment, group by group."""
    flat = [assignment for group in groups for assignment in group]
    order, begin = [], 0
    for group in groups:
        order.append(list(range(begin, begin + len(group))))
        begin += len(group)
    results = [{"agent_uuid": agent, "assignment": assignment} for agent, assignment in flat]
    return {"status": "ready", "results": results, "dispatch_order": order}


# What the agents on the SDK read of an assignment.
_DRIVE = {"task": "drive", "to": {"x": 1, "y": 1}, "seconds": 5}


def waiting(chance: random.Random, agents: list[str]) -> Mission:
    """Wants an agent that others want too, and waits for it most of its life."""
    return Mission("waiting", agents[:1], {"answer": answer([[(agents[0], chance.uniform(12, 24))]])})


def pending(chance: random.Random, agents: list[str]) -> Mission:
    """Its planner takes long."""
    data = {"answer": answer([[(agents[0], 1.0)]]), "pending": chance.uniform(30, 75)}
    return Mission("pending", agents[:1], data)


def groups(chance: random.Random, agents: list[str]) -> Mission:
    """Three groups, one after the other, of two agents each."""
    one, two = agents[:2]
    work = [[(one, chance.uniform(8, 18)), (two, chance.uniform(8, 18))] for _ in range(3)]
    return Mission("groups", [one, two], {"answer": answer(work)})


def canceled(chance: random.Random, agents: list[str]) -> Mission:
    """Is cancelled while its agents work, and they take their time to stop."""
    data = {"answer": answer([[(agent, 90.0) for agent in agents[:2]]], stop=chance.uniform(4, 10))}
    return Mission("canceled", agents[:2], data, ends="canceled", cancel_after=chance.uniform(4, 28))


def failing(chance: random.Random, agents: list[str]) -> Mission:
    """Its planner says no, twice."""
    data = {"answer": {"status": "failed", "message": "as it was told"}, "pending": chance.uniform(8, 22)}
    return Mission("failing", agents[:1], data, ends="failed", fields={"maxRetries": 2})


Script = Callable[[random.Random, list[str]], Mission]
KINDS: Mapping[str, Script] = {
    "waiting": waiting,
    "pending": pending,
    "groups": groups,
    "canceled": canceled,
    "failing": failing,
}


def on_sdk(chance: random.Random, agents: list[str]) -> Mission:
    """One assignment of an agent on the SDK."""
    return Mission("sdk", agents[:1], {"answer": answer([[(agents[0], 1.0)]])})


def probe(agent: str, kind: str = "probe") -> Mission:
    """As short as can be: it measures."""
    return Mission(kind, [agent], {"answer": answer([[(agent, 0.0)]])})


def file_of(platform: str, ctds: tuple[str, ...]) -> str:
    """A mission file of two threads on a platform, about seventy seconds long."""
    threads = "".join(_THREAD.format(ctd=ctd) for ctd in ctds)
    return _FILE.format(platform=platform, threads=threads)


_FILE = """name: faults
version: 0.4
description: of the fault run
platform:
  platformID: {platform}
mission:
{threads}"""
_THREAD = """
  - missionThread:
    instrumentID: ['PRE:{ctd}']
    errorHandling: {{default: retry, maxRetries: 5}}
    schedule:
      startTime: 2014-07-18T00:00:00
      timeZone:
      loop: {{quantity: 4, value: 18, units: secs}}
      event: {{parentID: , eventID: }}
    missionSequence:
      - {{command: 'PRE:{ctd}, execute_resource(ACQUIRE_SAMPLE)', onError: retry}}
      - {{command: wait(0.02), onError: }}
      - {{command: 'PRE:{ctd}, set_resource(INTERVAL{{1}})', onError: retry}}
"""
