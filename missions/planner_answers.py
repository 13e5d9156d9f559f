"""What a service's answer means: its status, its results, its job id (spec 2 and helyOS's status words)."""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from missions.errors import Failure, FailureCode, PlanningFailed
from missions.statuses import FailurePolicy, ServiceRequestStatus

_DONE_WORDS = frozenset({"successful", "success", "ready"})
_ENTRY_KEYS = frozenset({"agent_id", "agent_uuid", "assignment", "instant_action"})
MAX_JOB_ID = 1000
"""Characters of a job's id: it is part of the address where the job is polled and stopped."""
_LONGEST_ID = len(str(2**63))
_POLICIES = tuple(policy.value for policy in FailurePolicy)


@dataclass(frozen=True)
class PlannerAnswer:
    """One answer of a service, understood."""

    status: ServiceRequestStatus
    """PENDING, READY, FAILED or CANCELED."""
    request_uid: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True)
class PlannedAssignment:
    """One entry of `results`: who shall do what. One of the agent's names is enough; two must name the same agent.

    `data` None: only the instant action `command`, which is sent at once.
    """

    index: int
    agent_id: int | None
    agent_uuid: str | None
    data: Any
    assignment_order: int = 0
    """Counted from 1; 0: with the first."""
    on_assignment_failure: FailurePolicy = FailurePolicy.DEFAULT
    fallback_mission: str | None = None
    """None: the mission's."""
    command: str | dict[str, Any] | None = None


def read_answer(body: object, *, step: str, url: str) -> PlannerAnswer:
    """Read a service's JSON answer; raises PlanningFailed for anything that is no answer.

    `successful`, `ready`, or no status but a result, end the job, also with empty results; `pending` is polled;
    `failed` and `canceled` end it.
    """
    if not isinstance(body, dict):
        raise refused(step, url, f"answered {short(body)}, not a JSON object")
    uid = body.get("request_id")
    request_uid = None if uid is None else str(uid)
    if request_uid is not None and not request_uid.isprintable():
        raise refused(step, url, f"answered the request_id {short(request_uid)}, which is no printable text")
    if request_uid in (".", ".."):
        raise refused(step, url, f"answered the request_id {short(request_uid)}, which in an address is another place")
    if request_uid is not None and len(request_uid) > MAX_JOB_ID:
        problem = f"answered a request_id of {len(request_uid)} characters; an address takes {MAX_JOB_ID}"
        raise refused(step, url, problem)
    word = body.get("status")
    if word is None:
        if "results" in body or "result" in body:
            return PlannerAnswer(ServiceRequestStatus.READY, request_uid, body)
        if request_uid is not None:
            return PlannerAnswer(ServiceRequestStatus.PENDING, request_uid, body)
        raise refused(step, url, "answered neither a status nor results")
    if isinstance(word, str) and word in _DONE_WORDS:
        return PlannerAnswer(ServiceRequestStatus.READY, request_uid, body)
    if word == "pending":
        return PlannerAnswer(ServiceRequestStatus.PENDING, request_uid, body)
    if word == "failed":
        return PlannerAnswer(ServiceRequestStatus.FAILED, request_uid, body)
    if word in ("canceled", "cancelled"):
        return PlannerAnswer(ServiceRequestStatus.CANCELED, request_uid, body)
    if body.get("results") or body.get("result"):
        return PlannerAnswer(ServiceRequestStatus.READY, request_uid, body)  # as helyOS reads it
    raise refused(step, url, f"answered the unknown status {short(word)}")


def planned_assignments(
    body: Mapping[str, Any], *, step: str, url: str | None, agent_ids: Sequence[int] = ()
) -> list[PlannedAssignment]:
    """The assignments in a planner's answer; raises PlanningFailed naming the entry that is none.

    Without `results`, a `result` that names neither agent nor assignment is the assignment of each of `agent_ids`, the
    mission's agents (helyOS).
    """
    results: object = body.get("results")
    if results is None:
        results = body.get("result")
        if isinstance(results, dict) and _ENTRY_KEYS.isdisjoint(results):
            return [PlannedAssignment(index, agent_id, None, results) for index, agent_id in enumerate(agent_ids)]
    if results is None:
        return []
    entries: Sequence[object] = results if isinstance(results, list) else [results]
    return [_planned(index, entry, step, url) for index, entry in enumerate(entries)]


def _planned(index: int, entry: object, step: str, url: str | None) -> PlannedAssignment:
    def refuse(problem: str) -> PlanningFailed:
        return refused(step, url, f"answered results[{index}]{problem}")

    if not isinstance(entry, dict):
        raise refuse(f" = {short(entry)}, not an object")
    data, command = entry.get("assignment", entry.get("result")), _command(entry.get("instant_action"), refuse)
    if data is None and command is None:
        raise refuse(" without an `assignment`")
    agent_id, agent_uuid = entry.get("agent_id"), entry.get("agent_uuid") or None
    if isinstance(agent_id, str) and agent_id.isascii() and agent_id.isdigit() and len(agent_id) <= _LONGEST_ID:
        agent_id = int(agent_id)  # contexts carry ids as strings, so planners hand them back so
    if agent_id is not None and (not isinstance(agent_id, int) or isinstance(agent_id, bool)):
        raise refuse(f".agent_id = {short(agent_id)}, not an agent's id")
    if agent_uuid is not None and not isinstance(agent_uuid, str):
        raise refuse(f".agent_uuid = {short(agent_uuid)}, not an agent's uuid")
    if agent_id is None and agent_uuid is None:
        raise refuse(" without agent_id or agent_uuid")
    order = entry.get("assignment_order")
    if order is None:
        order = 0
    if not isinstance(order, int) or isinstance(order, bool) or order < 0:
        raise refuse(f".assignment_order = {short(order)}, not a number from 1 on")
    policy, fallback = entry.get("on_assignment_failure"), entry.get("fallback_mission")
    if policy not in (None, "", *_POLICIES):
        raise refuse(f".on_assignment_failure = {short(policy)}, not one of {', '.join(_POLICIES)}")
    if fallback is not None and not isinstance(fallback, str):
        raise refuse(f".fallback_mission = {short(fallback)}, not a mission type's name")
    return PlannedAssignment(
        index,
        agent_id,
        agent_uuid,
        data,
        order,
        FailurePolicy(policy or FailurePolicy.DEFAULT),
        fallback or None,
        command,
    )


def _command(action: object, refuse: Callable[[str], PlanningFailed]) -> str | dict[str, Any] | None:
    if action is None:
        return None
    command = action.get("command") if isinstance(action, dict) else None
    if not isinstance(command, str | dict) or not command:
        raise refuse(f".instant_action = {short(action)}, not an object with a `command`")
    return command


def refused(step: str, url: str | None, problem: str) -> PlanningFailed:
    """The failure of a step whose answer cannot be used; without a URL its activity gave it."""
    who = f"the service at {url}" if url else "its activity"
    return PlanningFailed(
        Failure(
            code=FailureCode.PLANNING_FAILED,
            step=step,
            url=url,
            text=f"step {step!r}: {who} {problem}",
        )
    )


def short(value: object, limit: int = 80) -> str:
    """A value as it is shown in a failure."""
    # Not repr(): the value may be an answer of megabytes, or of many levels.
    shower = reprlib.Repr()
    shower.maxdict = shower.maxlist = 10
    shower.maxstring = shower.maxlong = shower.maxother = limit
    text = shower.repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
