"""What a service's answer means: its status, its results, its job id (spec 2 and helyOS's status words)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from missions.errors import Failure, FailureCode, PlanningFailed
from missions.statuses import FailurePolicy, ServiceRequestStatus

_DONE_WORDS = frozenset({"successful", "success", "ready"})


@dataclass(frozen=True)
class PlannerAnswer:
    """One answer of a service, understood."""

    status: ServiceRequestStatus
    """PENDING, READY, FAILED or CANCELED."""
    request_uid: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True)
class PlannedAssignment:
    """One entry of `results`: who shall do what. Exactly one of the agent's names is enough."""

    index: int
    agent_id: int | None
    agent_uuid: str | None
    data: Any
    on_assignment_failure: FailurePolicy = FailurePolicy.DEFAULT
    fallback_mission: str | None = None
    """None: the mission's."""


def read_answer(body: object, *, step: str, url: str) -> PlannerAnswer:
    """Read a service's JSON answer; raises PlanningFailed for anything that is no answer.

    `successful`, `ready`, or no status but a result, end the job, also with empty results; `pending` is polled;
    `failed` and `canceled` end it.
    """
    if not isinstance(body, dict):
        raise _refuse(step, url, f"answered {_short(body)}, not a JSON object")
    uid = body.get("request_id")
    request_uid = None if uid is None else str(uid)
    if request_uid is not None and not request_uid.isprintable():
        raise _refuse(step, url, f"answered the request_id {_short(request_uid)}, which is no printable text")
    word = body.get("status")
    if word is None:
        if "results" in body or "result" in body:
            return PlannerAnswer(ServiceRequestStatus.READY, request_uid, body)
        if request_uid is not None:
            return PlannerAnswer(ServiceRequestStatus.PENDING, request_uid, body)
        raise _refuse(step, url, "answered neither a status nor results")
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
    raise _refuse(step, url, f"answered the unknown status {_short(word)}")


def planned_assignments(body: Mapping[str, Any], *, step: str, url: str) -> list[PlannedAssignment]:
    """The assignments in a planner's results; raises PlanningFailed naming the entry that is none."""
    results: object = body.get("results")
    if results is None:
        results = body.get("result")
    if results is None:
        return []
    entries: Sequence[object] = results if isinstance(results, list) else [results]
    planned = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise _refuse(step, url, f"answered results[{index}] = {_short(entry)}, not an object")
        data = entry.get("assignment", entry.get("result"))
        if data is None:
            raise _refuse(step, url, f"answered results[{index}] without an `assignment`")
        agent_id, agent_uuid = entry.get("agent_id"), entry.get("agent_uuid")
        if isinstance(agent_id, str) and agent_id.isascii() and agent_id.isdigit():
            agent_id = int(agent_id)  # contexts carry ids as strings, so planners hand them back so
        if agent_id is not None and (not isinstance(agent_id, int) or isinstance(agent_id, bool)):
            raise _refuse(step, url, f"answered results[{index}].agent_id = {agent_id!r}, not an agent's id")
        if agent_id is None and not isinstance(agent_uuid, str):
            raise _refuse(step, url, f"answered results[{index}] without agent_id or agent_uuid")
        planned.append(PlannedAssignment(index, agent_id, agent_uuid if agent_id is None else None, data))
    return planned


def _refuse(step: str, url: str, problem: str) -> PlanningFailed:
    return PlanningFailed(
        Failure(
            code=FailureCode.PLANNING_FAILED,
            step=step,
            url=url,
            text=f"step {step!r}: the service at {url} {problem}",
        )
    )


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
