"""What a failed assignment does to its mission: the narrowest scope that says something decides."""

from collections.abc import Mapping
from typing import Any

from missions.statuses import FailurePolicy

DEFAULT_FALLBACK = "DEFAULT"
"""As a fallback mission: the next wider scope's; on a dispatched mission, which holds its recipe's: none."""


def effective_policy(assignment: str, mission: str) -> FailurePolicy:
    """The assignment's policy unless DEFAULT, else the mission's, which holds its recipe's since dispatch."""
    policy = FailurePolicy(mission if assignment == FailurePolicy.DEFAULT else assignment)
    return FailurePolicy.FAIL_MISSION if policy is FailurePolicy.DEFAULT else policy


def effective_fallback(assignment: str, mission: str) -> str | None:
    """The recipe to run after RELEASE_FAILED; None if no scope names one. It may be empty or unknown."""
    name = mission if assignment == DEFAULT_FALLBACK else assignment
    return None if name == DEFAULT_FALLBACK else name


def fallback_data(
    mission: Mapping[str, Any], assignment: Mapping[str, Any], dependencies: list[dict[str, Any]]
) -> dict[str, Any]:
    """The data of a fallback mission: the failed mission's, and what failed (helyOS's `_failed_assignment`).

    Its `context` is what the failed assignment's message said in `metadata.context`.

    One fallback after the other nests deeper, so a recipe that falls back on itself for ever ends at the limit of
    nesting (missions/requests.py).
    """
    failed = {
        "result": assignment["result"],
        "context": {"dependencies": dependencies},
        "data": assignment["data"],
        "work_process": {
            "id": mission["id"],
            "data": mission["data"],
            "recipe": mission["work_process_type_name"],
        },
    }
    return {**(mission["data"] or {}), "_failed_assignment": failed}
