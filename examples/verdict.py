"""Did every mission end as intended? Asked of three witnesses: the agents' own logs, the API, and the Temporal runs.

Pure functions over what each of them says; every sentence that comes back names the witness and what it disagrees on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

RUN_STATUS = {"succeeded": "COMPLETED", "canceled": "CANCELED"}
"""How the run of a mission with this ending ends."""


@dataclass(frozen=True)
class Intended:
    """What one mission of the demo is meant to come to."""

    name: str
    id: int
    agents: Sequence[str]
    status: str
    """`succeeded` or `canceled`."""
    waits: bool = False
    """It has to wait for agents of other missions, and to say so."""


@dataclass(frozen=True)
class Evidence:
    """What the three witnesses say. By mission id: `missions`, `assignments`, `waited`, `runs`."""

    logs: Mapping[str, Sequence[Record]]
    """Each agent's own log, by its uuid."""
    missions: Mapping[int, Record]
    assignments: Mapping[int, Sequence[Record]]
    waited: Mapping[int, Sequence[Record]]
    """Every waiting reason that the API showed while the mission was watched."""
    agents: Mapping[str, Record]
    """The agents as the API shows them, by uuid."""
    runs: Mapping[int, str]
    """Status of each Temporal run, e.g. COMPLETED."""


def disagreements(intended: Sequence[Intended], evidence: Evidence) -> list[str]:
    """Everything that speaks against a pass; empty: all three agree that it went as intended."""
    return [
        *(f"agents' logs: {problem}" for problem in _in_logs(intended, evidence)),
        *(f"API: {problem}" for problem in _in_api(intended, evidence)),
        *(f"Temporal: {problem}" for problem in _in_temporal(intended, evidence)),
    ]


# --- the agents' logs


def _in_logs(intended: Sequence[Intended], evidence: Evidence) -> Iterator[str]:
    for mission in intended:
        words = [word for uuid in mission.agents for word in _last_words(mission, evidence.logs.get(uuid, []))]
        if not words:
            yield f"{mission.name}: no agent was told to do anything"
        elif mission.status == "canceled" and "canceled" not in words:
            yield f"{mission.name}: no agent stopped an assignment, it should have been cancelled"
        for uuid in mission.agents:
            for problem in _of_one_agent(mission, evidence.logs.get(uuid, [])):
                yield f"{mission.name}: {uuid} {problem}"
        for problem in _order_of_groups(mission, evidence):
            yield f"{mission.name}: {problem}"
    for uuid, log in evidence.logs.items():
        for problem in _reservations(log):
            yield f"{uuid} {problem}"
        said = [record for record in log if "says" in record]
        if not said or said[-1]["says"] != "free":
            yield f"{uuid} is not free at the end, it last said {said[-1]['says'] if said else 'nothing'}"


def _last_words(mission: Intended, log: Sequence[Record]) -> list[str]:
    """What the agent said last of each assignment that it was given."""
    given = [record["assignment"] for record in _heard(log, "assignment", mission)]
    said = {record["assignment"]: str(record["assignment_status"]) for record in log if "assignment_status" in record}
    return [said.get(key, "nothing") for key in given]


def _of_one_agent(mission: Intended, log: Sequence[Record]) -> Iterator[str]:
    reserved, released = _heard(log, "reserve", mission), _heard(log, "release", mission)
    if not reserved:
        yield "was never reserved for it"
    if not released:
        yield "was never released from it"
    given = [record["assignment"] for record in _heard(log, "assignment", mission)]
    for twice in sorted({key for key in given if given.count(key) > 1}):
        yield f"was given assignment {twice} more than once"
    wanted = {"succeeded"} if mission.status == "succeeded" else {"succeeded", "canceled"}
    for key, word in zip(given, _last_words(mission, log), strict=True):
        if word not in wanted:
            yield f"last said {word!r} of assignment {key}, in a mission that should have {mission.status}"
    for cancel in _heard(log, "cancel", mission):
        after = log[log.index(cancel) :]
        until_release = after[: after.index(released[0])] if released and released[0] in after else []
        if not any(r.get("assignment_status") and r["assignment"] == cancel["assignment"] for r in until_release):
            yield f"was released before it confirmed that assignment {cancel['assignment']} is stopped"


def _order_of_groups(mission: Intended, evidence: Evidence) -> Iterator[str]:
    """A group may start only when the one before it has ended, whichever agents are in it."""
    group_of = {item["id"]: item["group"] for item in evidence.assignments.get(mission.id, [])}
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    for uuid in mission.agents:
        for record in evidence.logs.get(uuid, []):
            group = group_of.get(record.get("assignment"))
            if group is None:
                continue
            if record.get("hears") == "assignment":
                begun[group] = min(record["at"], begun.get(group, record["at"]))
            elif record.get("assignment_status") == "succeeded":
                ended[group] = max(record["at"], ended.get(group, record["at"]))
    for group in sorted(begun):
        if group - 1 in begun and begun[group] < ended.get(group - 1, float("inf")):
            yield f"group {group + 1} started before group {group} had ended"


def _reservations(log: Sequence[Record]) -> Iterator[str]:
    held = None
    for record in log:
        if record.get("hears") == "reserve":
            if held not in (None, record["mission"]):
                yield f"was reserved for mission {record['mission']} while mission {held} still held it"
            held = record["mission"]
        elif record.get("hears") == "release" and record["mission"] == held:
            held = None


def _heard(log: Sequence[Record], kind: str, mission: Intended) -> list[Record]:
    return [record for record in log if record.get("hears") == kind and record["mission"] == mission.id]


# --- the API


def _in_api(intended: Sequence[Intended], evidence: Evidence) -> Iterator[str]:
    for mission in intended:
        shown = evidence.missions.get(mission.id)
        if shown is None:
            yield f"{mission.name}: there is no such mission"
            continue
        if shown["status"] != mission.status:
            why = f" ({shown['failure']['text']})" if shown.get("failure") else ""
            yield f"{mission.name}: is {shown['status']}{why}, should be {mission.status}"
        if shown["attention"]:
            yield f"{mission.name}: needs attention: {shown['attention'][0]['text']}"
        for problem in _assignments(mission, evidence.assignments.get(mission.id, [])):
            yield f"{mission.name}: {problem}"
        if mission.waits and not any(r["code"] == "agent_reserved" for r in evidence.waited.get(mission.id, [])):
            yield f"{mission.name}: never said that it waits for another mission's agents"
        if shown["waitingReasons"]:
            yield f"{mission.name}: has ended, and still waits: {shown['waitingReasons'][0]['text']}"
    for uuid in evidence.logs:
        agent = evidence.agents.get(uuid)
        if agent is None:
            yield f"there is no agent {uuid}"
        elif agent["status"] != "free" or agent["reservedFor"] is not None:
            held = f", reserved for mission {agent['reservedFor']}" if agent["reservedFor"] is not None else ""
            yield f"{uuid} is {agent['status']}{held}, should be free"


def _assignments(mission: Intended, assignments: Sequence[Record]) -> Iterator[str]:
    if mission.status == "canceled":
        if not any(item["status"] == "canceled" for item in assignments):
            yield "none of its assignments is canceled"
        return
    unfinished = [item for item in assignments if item["status"] not in ("succeeded", "completed")]
    for item in unfinished:
        yield f"assignment {item['id']} is {item['status']}, should have succeeded"
    groups: dict[int, list[int]] = {}
    for item in assignments:
        groups.setdefault(item["group"], []).append(item["resultIndex"])
    found, planned = [sorted(groups[group]) for group in sorted(groups)], [[0], [1, 2], [3]]
    if found != planned:
        yield f"its assignments went out in the order {found}, planned was {planned}"


# --- Temporal


def _in_temporal(intended: Sequence[Intended], evidence: Evidence) -> Iterator[str]:
    for mission in intended:
        status = evidence.runs.get(mission.id, "not there")
        if status != RUN_STATUS[mission.status]:
            yield f"{mission.name}: its run is {status}, should be {RUN_STATUS[mission.status]}"
