"""Stores recipes and services from YAML files: a file is taken whole or not at all."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from activities.activity_types import ActivityType
from activities.registry import activity_types
from api.documents import Document, Entry, problem_at, read_document
from api.models.base import Resource
from api.models.recipes import RecipeBody
from api.problems import FieldProblem, Refused
from missions.errors import Conflict, InvalidInput
from missions.events import EventSource
from missions.principals import MUSTER, Principal
from store import recipes, services, slots
from store.connection import Connection
from store.database import Database

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


class AlreadyThere(Refused):
    """Names of a file are taken, and the client wants none replaced or kept."""

    status = Conflict.status
    title = Conflict.title


@dataclass
class _Storing:
    """One document on its way into the store: what became of it, and what the store refuses."""

    document: Document
    imported: Imported = field(default_factory=Imported)
    written: list[tuple[Entry, RecipeBody]] = field(default_factory=list)
    problems: list[FieldProblem] = field(default_factory=list)
    taken: bool = False
    moves: bool = False
    """Whether a recipe's `maxConcurrent` changed."""

    def note(self, entry: Entry, name: str, known: int | None, existing: Existing) -> None:
        """Note what became of a name."""
        if known is None:
            self.imported.created.append(name)
        elif existing is Existing.REPLACE:
            self.imported.replaced.append(name)
        elif existing is Existing.KEEP:
            self.imported.kept.append(name)
        else:
            remedy = "import with `existing=keep` or `replace`"
            error = Conflict(f"{name!r} is there already", field="name", value=name, remedy=remedy)
            self.problems.append(entry.problem(error, "name"))
            self.taken = True


async def _store(
    connection: Connection, documents: Sequence[Document], existing: Existing, principal: Principal
) -> list[_Storing]:
    """Store what files hold, services first; where there are problems, the caller stores nothing."""
    storing = [_Storing(document) for document in documents]
    for one in storing:
        await _store_services(connection, one, existing, principal)
        await _store_recipes(connection, one, existing, principal)
    for one in storing:  # after all: recipes may name each other, in any order and in any of the files
        for entry, recipe in one.written:
            try:
                await recipes.refuse_unknown_fallback(connection, recipe)
            except InvalidInput as error:
                one.problems.append(entry.problem(error, "fallbackMission"))
    # Once and last: whoever held it while locking a recipe would wait for one who has that and waits for the line.
    if any(one.moves for one in storing):
        await slots.lock_line(connection)
    return storing


async def _store_services(connection: Connection, one: _Storing, existing: Existing, principal: Principal) -> None:
    source = EventSource.API
    for entry, service in one.document.services:
        known = await services.id_of(connection, service.name)
        try:
            async with connection.begin_nested():
                if known is None:
                    await services.create(connection, service.columns(), principal=principal, source=source)
                elif existing is Existing.REPLACE:
                    await services.patch(connection, known, service.all_columns(), principal=principal, source=source)
        except Conflict as error:
            one.problems.append(entry.problem(error))
        one.note(entry, service.name, known, existing)


async def _store_recipes(connection: Connection, one: _Storing, existing: Existing, principal: Principal) -> None:
    source = EventSource.API
    for entry, recipe in one.document.recipes:
        known = None
        if await recipes.create(connection, recipe, principal=principal, source=source) is None:
            known = await recipes.id_of(connection, recipe.name)
            if known is not None and existing is Existing.REPLACE:
                one.moves |= await recipes.replace(connection, known, recipe, principal=principal, source=source)
        one.note(entry, recipe.name, known, existing)
        if known is None or existing is Existing.REPLACE:
            one.written.append((entry, recipe))


async def import_text(
    database: Database,
    content: bytes,
    types: Mapping[str, ActivityType],
    *,
    kinds: Collection[str],
    existing: Existing,
    principal: Principal,
) -> Imported:
    """Import a file's content, all or nothing; raises Refused. `kinds`: of `recipes`, `services`."""
    document = _document(content, types)
    for kind, read in (("services", document.services), ("recipes", document.recipes)):
        if read and kind not in kinds:
            raise InvalidInput(
                f"there are {kind} in it, and this takes {', '.join(kinds)}",
                field=kind,
                remedy=f"import them at /api/v1/{kind}/import",
            )
    async with database.transaction() as connection:
        (stored,) = await _store(connection, [document], existing, principal)
        if stored.problems:
            raise (AlreadyThere if stored.taken else Refused)(stored.problems)
        return stored.imported


def _document(content: bytes, types: Mapping[str, ActivityType]) -> Document:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused([problem_at(None, None, f"is no UTF-8 text: {error.reason}", "save it as UTF-8")]) from None
    return read_document(text, types)


def file_problems(paths: Sequence[Path]) -> list[FieldProblem]:
    """Everything that is wrong with files by themselves, whatever is stored; each with its file."""
    problems = given_twice(paths)
    try:
        _documents(paths, activity_types())
    except Refused as error:
        problems += error.errors
    return problems


def given_twice(paths: Sequence[Path]) -> list[FieldProblem]:
    """The files that are named more than once: it could not be told which of them a problem is in."""
    return [
        problem_at(str(path), None, "is given twice", "name each file once")
        for path, times in Counter(paths).items()
        if times > 1
    ]


async def load_files(
    database: Database, paths: Sequence[Path], types: Mapping[str, ActivityType]
) -> dict[Path, Imported]:
    """Import files of recipes and services at start, all of them or none; names that are there stay as they are.

    Raises Refused with everything that is wrong, each with its file.
    """
    documents = _documents(paths, types)
    imported = await _import(database, documents, existing=Existing.KEEP, principal=MUSTER)
    return {path: imported[str(path)] for path in paths}


async def import_files(
    database: Database,
    contents: Mapping[str, str],
    types: Mapping[str, ActivityType],
    *,
    existing: Existing,
    principal: Principal,
) -> dict[str, Imported]:
    """Import the contents of files, by name, all of them or none.

    Raises Refused with everything that is wrong, each with its file.
    """
    documents = _read_all({name: content.encode() for name, content in contents.items()}, types, [])
    return await _import(database, documents, existing=existing, principal=principal)


def _documents(paths: Sequence[Path], types: Mapping[str, ActivityType]) -> dict[str, Document]:
    contents: dict[str, bytes] = {}
    problems: list[FieldProblem] = []
    for path in paths:
        try:
            contents[str(path)] = path.read_bytes()
        except OSError as error:
            problems.append(problem_at(str(path), None, f"cannot be read: {error.strerror}", "correct the path"))
    return _read_all(contents, types, problems)


def _read_all(
    contents: Mapping[str, bytes], types: Mapping[str, ActivityType], problems: list[FieldProblem]
) -> dict[str, Document]:
    """The documents; raises Refused with these problems and all others."""
    documents: dict[str, Document] = {}
    for name, content in contents.items():
        try:
            documents[name] = _document(content, types)
        except Refused as error:
            problems += _of_file(name, error.errors)
    problems += _doubles(documents)
    if problems:
        raise Refused(problems)
    return documents


async def _import(
    database: Database, documents: Mapping[str, Document], *, existing: Existing, principal: Principal
) -> dict[str, Imported]:
    async with database.transaction() as connection:
        stored = dict(
            zip(documents, await _store(connection, list(documents.values()), existing, principal), strict=True)
        )
        problems = [item for name, one in stored.items() for item in _of_file(name, one.problems)]
        if problems:
            raise (AlreadyThere if any(one.taken for one in stored.values()) else Refused)(problems)
    return {name: one.imported for name, one in stored.items()}


def _doubles(documents: Mapping[str, Document]) -> Iterator[FieldProblem]:
    """Names that two files give; within one file its reader has found them."""
    first: dict[tuple[str, str], str] = {}
    for file, document in documents.items():
        named = [("service", entry, service.name) for entry, service in document.services]
        named += [("recipe", entry, recipe.name) for entry, recipe in document.recipes]
        for kind, entry, name in named:
            other = first.setdefault((kind, name), file)
            if other != file:
                error = InvalidInput(
                    f"the {kind} {name!r} is in {other} too", field="name", value=name, remedy="give each its own name"
                )
                yield from _of_file(file, [entry.problem(error, "name")])


def _of_file(name: str, problems: Sequence[FieldProblem]) -> list[FieldProblem]:
    return [item.model_copy(update={"field": f"{name}: {item.field}" if item.field else name}) for item in problems]
