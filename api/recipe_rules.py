"""What a recipe must fulfil before it is saved: its graph holds, and each step fits its activity type."""

from collections.abc import Mapping

from activities.activity_types import ActivityType
from missions.errors import InvalidInput
from missions.recipes import Recipe, RecipeStep
from missions.statuses import FailurePolicy


def known_activity_type(step: RecipeStep, known: Mapping[str, ActivityType]) -> ActivityType:
    """The activity type that a step uses; raises InvalidInput naming the known ones."""
    kind = known.get(step.uses)
    if kind is None:
        raise InvalidInput(
            f"step {step.step!r} uses {step.uses!r}, which is no activity type",
            field=f"steps.{step.step}.uses",
            value=step.uses,
            remedy=f"use one of: {', '.join(sorted(known))}",
        )
    return kind


def recipe_problems(recipe: Recipe, known: Mapping[str, ActivityType]) -> list[InvalidInput]:
    """Everything that is wrong with a recipe."""
    problems = []
    try:
        recipe.dependencies()
    except InvalidInput as error:
        problems.append(error)
    if recipe.on_assignment_failure is not FailurePolicy.FAIL_MISSION:
        problems.append(
            _not_yet("onAssignmentFailure", recipe.on_assignment_failure.value, "FAIL_MISSION, or leave it out")
        )
    if recipe.fallback_mission is not None:
        problems.append(_not_yet("fallbackMission", recipe.fallback_mission, "null, or leave it out"))
    for step in recipe.steps:
        try:
            known_activity_type(step, known).validate(step)
        except InvalidInput as error:
            problems.append(error)
    return problems


def _not_yet(field: str, value: str, instead: str) -> InvalidInput:
    """Refused rather than stored and ignored: the mission would do something else than its recipe says."""
    return InvalidInput(
        f"{field} {value!r} is not supported by this version: a failed assignment fails its mission",
        field=field,
        value=value,
        remedy=f"use {instead}",
    )
