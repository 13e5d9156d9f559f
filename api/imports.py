"""Stores recipes and services from YAML files: a file is taken whole or not at all."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from activities.activity_types import ActivityType
from api.documents import Document, problem_at, read_document
from api.models.base import Resource
from api.problems import FieldProblem, Refused
from missions.errors import Conflict, InvalidInput
from missions.events import EventSource
from missions.principals import MUSTER, Principal
from store import recipes, services
from store.database import Connection, Database

_EXAMPLE = """\
recipes:
  - name: driving
    steps:
      - step: plan_drive
        serviceType: drive
services:
  - name: path-planner
    type: drive
    url: http://planner:9000/plan_job/
"""

YAML_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/yaml": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}
"""The OpenAPI description of a YAML body."""


class Existing(StrEnum):
    """What to do with names that are there already."""

    KEEP = "keep"
    REPLACE = "replace"
    REFUSE = "refuse"


class Imported(Resource):
    """What became of each name."""

    created: list[str] = Field(default_factory=list)
    replaced: list[str] = Field(default_factory=list)
    kept: list[str] = Field(default_factory=list, description="there before, and not touched")


async def store_document(
    connection: Connection, document: Document, existing: Existing, principal: Principal
) -> Imported:
    """Store what a file holds, services first; raises Refused or Conflict, and then the caller stores nothing."""
    imported, problems = Imported(), list[FieldProblem]()
    source = EventSource.API
    for entry, service in document.services:
        known = await services.id_of(connection, service.name)
        try:
            async with connection.begin_nested():
                if known is None:
                    await services.create(connection, service.columns(), principal=principal, source=source)
                elif existing is Existing.REPLACE:
                    await services.patch(connection, known, service.columns(), principal=principal, source=source)
        except Conflict as error:
            problems.append(entry.problem(error))
        _note(imported, service.name, known, existing)
    stored = []
    for entry, recipe in document.recipes:
        known = None
        if await recipes.create(connection, recipe, principal=principal, source=source) is None:
            known = await recipes.id_of(connection, recipe.name)
            if known is not None and existing is Existing.REPLACE:
                await recipes.replace(connection, known, recipe, principal=principal, source=source)
        _note(imported, recipe.name, known, existing)
        if recipe.name not in imported.kept:
            stored.append((entry, recipe))
    for entry, recipe in stored:  # after all: recipes of one file may name each other, in any order
        try:
            await recipes.refuse_unknown_fallback(connection, recipe)
        except InvalidInput as error:
            problems.append(entry.problem(error, "fallbackMission"))
    if problems:
        raise Refused(problems)
    return imported


def _note(imported: Imported, name: str, known: int | None, existing: Existing) -> None:
    if known is None:
        imported.created.append(name)
    elif existing is Existing.REPLACE:
        imported.replaced.append(name)
    elif existing is Existing.KEEP:
        imported.kept.append(name)
    else:
        raise Conflict(
            f"{name!r} is there already", field="name", value=name, remedy="import with `existing=keep` or `replace`"
        )


async def import_text(
    database: Database,
    content: bytes,
    types: Mapping[str, ActivityType],
    *,
    kinds: Collection[str],
    existing: Existing,
    principal: Principal,
) -> Imported:
    """Import a file's content, all or nothing; raises Refused, Conflict. `kinds`: of `recipes`, `services`."""
    document = _document(content, types)
    for kind, read in (("services", document.services), ("recipes", document.recipes)):
        if read and kind not in kinds:
            raise InvalidInput(
                f"there are {kind} in it, and this takes {', '.join(kinds)}",
                field=kind,
                remedy=f"import them at /api/v1/{kind}/import",
            )
    async with database.transaction() as connection:
        return await store_document(connection, document, existing, principal)


def _document(content: bytes, types: Mapping[str, ActivityType]) -> Document:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused([problem_at(None, None, f"is no UTF-8 text: {error.reason}", "save it as UTF-8")]) from None
    return read_document(text, types)


async def load_files(
    database: Database, paths: Sequence[Path], types: Mapping[str, ActivityType]
) -> dict[Path, Imported]:
    """Import files of recipes and services at start, all of them or none; names that are there stay as they are.

    Raises Refused with everything that is wrong, each with its file.
    """
    documents: dict[Path, Document] = {}
    problems: list[FieldProblem] = []
    for path in paths:
        try:
            documents[path] = _document(path.read_bytes(), types)
        except OSError as error:
            problems.append(problem_at(str(path), None, f"cannot be read: {error.strerror}", "correct the path"))
        except Refused as error:
            problems += _of_file(path, error)
    if problems:
        raise Refused(problems)
    loaded = {}
    async with database.transaction() as connection:
        for path, document in documents.items():
            try:
                loaded[path] = await store_document(connection, document, Existing.KEEP, MUSTER)
            except Refused as error:
                raise Refused(_of_file(path, error)) from None
    return loaded


def _of_file(path: Path, refusal: Refused) -> list[FieldProblem]:
    return [item.model_copy(update={"field": f"{path}: {item.field or ''}"}) for item in refusal.errors]
