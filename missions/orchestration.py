"""What an answer says of the steps after it: what they are asked, and which of them run (spec 2, `orchestration`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from missions.planner_answers import refused, short


def skipped_dependents(answer: object, dependents: Sequence[str], *, step: str, url: str | None) -> list[str]:
    """Of the steps that depend on this one, those that `allow_dependent_steps` leaves out.

    Raises PlanningFailed, naming step, URL and value, for an `orchestration` of a wrong type, and for names in it, also
    of `next_step_request`, that are no dependent steps.
    """
    orchestration = answer.get("orchestration") if isinstance(answer, Mapping) else None
    if orchestration is None:
        return []
    if not isinstance(orchestration, Mapping):
        raise refused(step, url, f"answered orchestration = {short(orchestration)}, not an object")
    requests, allowed = _next_requests(orchestration), orchestration.get("allow_dependent_steps")
    if requests is not None and not isinstance(requests, Mapping):
        raise refused(step, url, f"answered next_step_request = {short(requests)}, not an object with names of steps")
    if allowed is not None and not isinstance(allowed, list):
        raise refused(step, url, f"answered allow_dependent_steps = {short(allowed)}, not a list of steps")
    for field, names in (("next_step_request", requests), ("allow_dependent_steps", allowed)):
        for name in names or ():
            if name not in dependents:
                of = f"the steps that depend on this one are {', '.join(dependents) or 'none'}"
                raise refused(step, url, f"named {short(name)} in {field}, but {of}")
    return [] if allowed is None else [name for name in dependents if name not in allowed]


def next_request(step: str, answers: Iterable[object], otherwise: Any) -> Any:
    """What a step is asked: what the answers before it put in the place of `otherwise`; the last one counts."""
    for answer in answers:
        orchestration = answer.get("orchestration") if isinstance(answer, Mapping) else None
        requests = _next_requests(orchestration) if isinstance(orchestration, Mapping) else None
        if isinstance(requests, Mapping) and step in requests:
            otherwise = requests[step]
    return otherwise


def _next_requests(orchestration: Mapping[str, Any]) -> object:
    # The specification's spelling has no t.
    found = orchestration.get("next_step_request")
    return orchestration.get("nex_step_request") if found is None else found
