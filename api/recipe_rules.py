"""What a recipe must fulfil before it is saved: its graph holds, and each step fits its activity type."""

from collections.abc import Mapping

from activities.activity_types import ActivityType
from missions.errors import InvalidInput
from missions.recipes import Recipe, RecipeStep


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
    for step in recipe.steps:
        try:
            known_activity_type(step, known).validate(step)
        except InvalidInput as error:
            problems.append(error)
    return problems
