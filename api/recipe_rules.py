"""What a recipe must fulfil before it is saved: its graph holds, and each step fits its activity type."""

from collections.abc import Mapping

from activities.activity_types import ActivityType, known_activity_type
from missions.errors import InvalidInput
from missions.recipes import Recipe


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
