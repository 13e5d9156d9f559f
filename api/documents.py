"""Reads YAML files of recipes and services: our own form, or helyOS's `missions.yml` and `microservices.yml`.

Everything that is wrong with a file is told at once, with line and column.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from activities.activity_types import ActivityType
from api import helyos_files
from api.models.recipes import RecipeBody
from api.models.services import ServiceCreate
from api.problems import FieldProblem, Refused, field_problems, shown
from api.recipe_rules import recipe_problems, step_problems
from api.yaml_places import Path, Places, YamlProblem, read_yaml
from missions.errors import InvalidInput, UserError
from missions.graph import graph_problems

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Entry:
    """One entry of the file: in our words, where it stands, and the way back from our words to its own."""

    content: Any
    path: Path
    back: Callable[[Path], Path]
    places: Places

    def problem(self, error: UserError, *inner: str) -> FieldProblem:
        """What is wrong with a value of this entry, with its place in the file."""
        return _placed(field_problem(error), (*self.path, *self.back(inner)), self.places)


@dataclass
class Document:
    """What a file holds."""

    services: list[tuple[Entry, ServiceCreate]] = field(default_factory=list)
    recipes: list[tuple[Entry, RecipeBody]] = field(default_factory=list)


def read_document(text: str, types: Mapping[str, ActivityType]) -> Document:
    """Read a file's text; raises Refused with everything that is wrong."""
    try:
        places = read_yaml(text)
    except YamlProblem as error:
        raise Refused([problem_at(None, None, str(error), "correct the YAML", error.place)]) from None
    problems = [
        problem_at(".".join(map(str, path)), None, str(double), "remove one, or rename it", double.place)
        for path, double in places.doubles
    ]
    document = Document()
    for kind, entry in _entries(places, problems):
        if kind == "services":
            service = _validated(ServiceCreate, entry, places, problems)
            if service is not None:
                document.services.append((entry, service))
        else:
            recipe = _validated(RecipeBody, entry, places, problems)
            if recipe is not None:
                document.recipes.append((entry, recipe))
                problems += [_of_recipe(error, entry, recipe, places) for error in recipe_problems(recipe, types)]
            else:
                problems += _of_the_rest(entry, places, types)
    for read in (document.services, document.recipes):
        problems += _doubles([(entry, model.name) for entry, model in read], "name")
    enabled = [(entry, service.service_type) for entry, service in document.services if service.enabled]
    problems += _doubles(enabled, "type", "is of two enabled services", "enable one service of a type")
    if problems:
        raise Refused(problems)
    return document


def _entries(places: Places, problems: list[FieldProblem]) -> Iterator[tuple[str, Entry]]:
    """Each recipe and service of the file; what is neither goes to `problems`."""
    root = places.document
    if not isinstance(root, dict) or not root.keys() & {"recipes", "missions", "services"}:
        remedy = "start it with `recipes:` or `services:` (helyOS: `missions:`)"
        problems.append(problem_at(None, root, "there are no recipes or services here", remedy, places.of(())))
        return
    for key, content in root.items():
        path: Path = (key,)
        if key in ("recipes", "services") and isinstance(content, list):
            for index, item in enumerate(content):
                yield key, Entry(item, (*path, index), lambda inner: inner, places)
        elif key in ("missions", "services") and isinstance(content, dict):
            translate = helyos_files.recipe if key == "missions" else helyos_files.service
            for name, item in content.items():
                if isinstance(item, dict):
                    found = translate(name, item)
                    problems += [_unknown((*path, name, *inner), places) for inner in found.unknown]
                    yield (
                        ("recipes" if key == "missions" else key),
                        Entry(found.ours, (*path, name), found.back, places),
                    )
                else:
                    remedy = "write its fields below it"
                    problems.append(_placed(problem_at(None, item, "is no mapping", remedy), (*path, name), places))
        elif key in ("recipes", "missions", "services"):
            problems.append(
                problem_at(key, content, "is no list of entries", "write one entry per `-`", places.of(path))
            )
        elif key != "version":
            remedy = "use `recipes` and `services`, or remove it"
            problems.append(problem_at(key, None, "is not known here", remedy, places.of(path)))


def _validated(model: type[Model], entry: Entry, places: Places, problems: list[FieldProblem]) -> Model | None:
    try:
        return model.model_validate(entry.content)
    except ValidationError as error:
        for found, item in zip(error.errors(), field_problems(error.errors(), skip=0), strict=True):
            path = (*entry.path, *entry.back(found["loc"]))
            problems.append(_placed(item, path, places))
    except InvalidInput as refusal:
        problems.append(_placed(field_problem(refusal), (*entry.path, *str(refusal.field or "").split(".")), places))
    return None


def _of_recipe(error: InvalidInput, entry: Entry, recipe: RecipeBody, places: Places) -> FieldProblem:
    """A problem of a recipe's graph or step: its field names the step, and its place is where the step stands."""
    path = entry.path
    for index, step in enumerate(recipe.steps):
        if str(error.field).startswith(f"steps.{step.step}."):
            rest = str(error.field).removeprefix(f"steps.{step.step}.").split(".")
            path = (*entry.path, *entry.back(("steps", index, *rest)))
    return _placed(field_problem(error), path, places)


def _of_the_rest(entry: Entry, places: Places, types: Mapping[str, ActivityType]) -> list[FieldProblem]:
    """What else is wrong with a recipe that holds wrong values, so that all is told at once."""
    rest = copy.deepcopy(entry.content)
    wrong_steps: set[str | int] = set()
    try:
        RecipeBody.model_validate(rest)
    except ValidationError as error:
        for found in error.errors():
            _leave_out(rest, found["loc"])
            wrong_steps.update(found["loc"][1:2] if found["loc"][:1] == ("steps",) else ())
    except InvalidInput:
        return []
    try:
        recipe = RecipeBody.model_validate(rest)
    except (ValidationError, InvalidInput):
        return []
    whole = [step for index, step in enumerate(recipe.steps) if index not in wrong_steps]
    found_too = graph_problems(recipe.graph()) + step_problems(whole, types)
    return [_of_recipe(error, entry, recipe, places) for error in found_too]


def _leave_out(content: Any, path: Sequence[str | int]) -> None:
    for part in path[:-1]:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return
    if path and isinstance(content, dict):
        content.pop(path[-1], None)


def _unknown(path: Path, places: Places) -> FieldProblem:
    item = problem_at(None, None, "is not known here", "remove it, or correct its name")
    return _placed(item, path, places)


def _doubles(
    named: Sequence[tuple[Entry, str]],
    field_name: str,
    problem: str = "is there twice",
    remedy: str = "give each a name of its own",
) -> Iterator[FieldProblem]:
    seen: set[str] = set()
    for entry, name in named:
        if name in seen:
            item = problem_at(field_name, name, f"the {field_name} {name!r} {problem}", remedy)
            yield _placed(item, (*entry.path, field_name), entry.places)
        seen.add(name)


def field_problem(error: UserError) -> FieldProblem:
    """A user's error as one item of a list."""
    value = shown(error.value, error.field)
    return FieldProblem(field=error.field, value=value, detail=error.detail, remedy=error.remedy)


def _placed(item: FieldProblem, path: Path, places: Places) -> FieldProblem:
    return problem_at(".".join(map(str, path)), item.value, item.detail, item.remedy, places.of(path))


def problem_at(where: str | None, value: object, detail: str, remedy: str, place: str = "") -> FieldProblem:
    """One problem, with its place in the file."""
    if place:
        detail = f"{detail} ({place})"
    return FieldProblem(field=where, value=shown(value, where), detail=detail, remedy=remedy)
