"""Reads YAML files of recipes and services: our own form, or helyOS's `missions.yml` and `microservices.yml`.

Everything that is wrong with a file is told at once, with line and column.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from activities.activity_types import ActivityType
from api import helyos_files
from api.models.recipes import RecipeBody
from api.models.services import ServiceCreate
from api.problems import FieldProblem, Refused, field_problems, shown
from api.recipe_rules import recipe_problems
from api.yaml_places import Path, Places, YamlProblem, read_yaml
from missions.errors import InvalidInput, UserError

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Entry:
    """One entry of the file: in our words, where it stands, and the way back from our words to its own."""

    content: Any
    path: Path
    back: Callable[[Path], Path]


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
    problems: list[FieldProblem] = []
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
    for read in (document.services, document.recipes):
        problems += _doubles([(entry, model.name) for entry, model in read], places)
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
                yield key, Entry(item, (*path, index), lambda inner: inner)
        elif key in ("missions", "services") and isinstance(content, dict):
            translate = helyos_files.recipe if key == "missions" else helyos_files.service
            for name, item in content.items():
                if isinstance(item, dict):
                    ours, back = translate(name, item)
                    yield ("recipes" if key == "missions" else key), Entry(ours, (*path, name), back)
                else:
                    problems.append(problem_at(f"{key}.{name}", item, "is no mapping", "write its fields below it"))
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


def _doubles(named: Sequence[tuple[Entry, str]], places: Places) -> Iterator[FieldProblem]:
    seen: set[str] = set()
    for entry, name in named:
        if name in seen:
            item = problem_at("name", name, f"the name {name!r} is there twice", "give each a name of its own")
            yield _placed(item, (*entry.path, "name"), places)
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
