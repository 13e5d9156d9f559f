"""What a recipe must fulfil before it is saved: its graph holds, and each step fits its activity type."""

from collections.abc import Iterable, Mapping

from activities.activity_types import ActivityType, known_activity_type
from missions.errors import InvalidInput
from missions.graph import graph_problems
from missions.recipes import Recipe, RecipeStep

_NO_STEPS = InvalidInput(
    "a recipe without steps gives its missions nothing to do", field="steps", value=[], remedy="write at least one step"
)


def recipe_problems(recipe: Recipe, known: Mapping[str, ActivityType]) -> list[InvalidInput]:
    """Everything that is wrong with a recipe."""
    if not recipe.steps:
        return [_NO_STEPS]
    return graph_problems(recipe.graph()) + step_problems(recipe.steps, known)


def step_problems(steps: Iterable[RecipeStep], known: Mapping[str, ActivityType]) -> list[InvalidInput]:
    """The steps that do not fit their activity types."""
    problems = []
    for step in steps:
        try:
            known_activity_type(step, known).validate(step)
        except InvalidInput as error:
            problems.append(error)
    return problems
