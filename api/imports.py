"""Stores recipes and services from YAML files: a file is taken whole or not at all."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from activities.activity_types import ActivityType
from api.documents import Document, field_problem, problem_at, read_document
from api.models.base import Resource
from api.problems import Refused
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
    imported = Imported()
    source = EventSource.API
    for entry, service in document.services:
        known = await services.id_of(connection, service.name)
        try:
            if known is None:
                await services.create(connection, service.columns(), principal=principal, source=source)
            elif existing is Existing.REPLACE:
                await services.patch(connection, known, service.columns(), principal=principal, source=source)
        except Conflict as error:
            field_path = ".".join(map(str, entry.path))
            raise Refused([field_problem(error).model_copy(update={"field": field_path})]) from error
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
            field_path = ".".join(map(str, (*entry.path, *entry.back(("fallbackMission",)))))
            raise Refused([field_problem(error).model_copy(update={"field": field_path})]) from error
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
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused([problem_at(None, None, f"is no UTF-8 text: {error.reason}", "save it as UTF-8")]) from None
    document = read_document(text, types)
    for kind, read in (("services", document.services), ("recipes", document.recipes)):
        if read and kind not in kinds:
            raise InvalidInput(
                f"there are {kind} in it, and this takes {', '.join(kinds)}",
                field=kind,
                remedy=f"import them at /api/v1/{kind}/import",
            )
    async with database.transaction() as connection:
        return await store_document(connection, document, existing, principal)


async def load_files(
    database: Database, paths: Sequence[Path], types: Mapping[str, ActivityType]
) -> dict[Path, Imported]:
    """Import files of recipes and services at start, each whole or not at all; names that are there stay as they are.

    Raises Refused naming the file.
    """
    loaded = {}
    for path in paths:
        try:
            content = path.read_bytes()
            loaded[path] = await import_text(
                database,
                content,
                types,
                kinds=("recipes", "services"),
                existing=Existing.KEEP,
                principal=MUSTER,
            )
        except OSError as error:
            raise Refused(
                [problem_at(str(path), None, f"cannot be read: {error.strerror}", "correct the path")]
            ) from None
        except Refused as error:
            raise Refused(
                [item.model_copy(update={"field": f"{path}: {item.field or ''}"}) for item in error.errors]
            ) from None
    return loaded
