"""Recipes: the types of missions. A running mission keeps the recipe as it was at its dispatch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from missions.errors import Conflict, InvalidInput, NotFound
from missions.event_catalogue import event
from missions.event_payloads.configuration import RecipeChanged
from missions.events import Action
from missions.principals import Principal
from missions.recipes import MissionOptions, Recipe, RecipeStep, stored_options
from store import events
from store.connection import Connection
from store.drafts import find_recipe
from store.tables import recipe_steps, work_process_types

# Our word → helyOS's column, where they differ.
_STEP_COLUMNS = {
    "dependencies": "depends_on_steps",
    "apply_result": "is_result_assignment",
    "wait_assignments": "wait_dependencies_assignments",
}

_BEFORE = select(work_process_types.c.name, work_process_types.c.max_concurrent)


@dataclass(frozen=True)
class StoredRecipe:
    """A recipe with its row's facts."""

    id: int
    version: int
    created_at: datetime
    modified_at: datetime
    recipe: Recipe


async def create(connection: Connection, recipe: Recipe, *, principal: Principal, source: str) -> int | None:
    """Store a new recipe and its event; None if its name is taken. The recipe was checked (api/recipe_rules.py)."""
    recipe_id: int | None = await connection.scalar(
        upsert(work_process_types)
        .values(name=recipe.name, **_columns(recipe))
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(work_process_types.c.id)
    )
    if recipe_id is not None:
        await _insert_steps(connection, recipe_id, recipe.steps)
        await _tell(connection, Action.CREATED, recipe_id, recipe.name, principal, source)
    return recipe_id


async def refuse_unknown_fallback(connection: Connection, recipe: Recipe) -> None:
    """Raise InvalidInput if a stored recipe's fallback mission is no recipe; its own name is one."""
    if recipe.fallback_mission is not None:
        await find_recipe(connection, recipe.fallback_mission, "fallbackMission")


def name_taken(name: str) -> Conflict:
    """The error for a second recipe of one name."""
    return Conflict(
        f"there is a recipe {name!r} already",
        field="name",
        value=name,
        remedy="use another name, or replace that recipe (PUT)",
    )


async def replace(connection: Connection, recipe_id: int, recipe: Recipe, *, principal: Principal, source: str) -> bool:
    """Replace a locked recipe's content, with an event; missions on their way keep the old one.

    True: its `maxConcurrent` is another one, so the caller locks the line (store/slots.py) when all is written, and
    grants slots after the commit. Raises NotFound, InvalidInput.
    """
    before = (await connection.execute(_BEFORE.where(work_process_types.c.id == recipe_id))).one_or_none()
    if before is None:
        raise _unknown(recipe_id)
    if before.name != recipe.name:
        raise InvalidInput(
            f"recipe {recipe_id} is named {before.name!r}: drafts refer to it by that name, so it cannot change",
            field="name",
            value=recipe.name,
            remedy=f"send {before.name!r}, or create another recipe",
        )
    await connection.execute(
        update(work_process_types)
        .where(work_process_types.c.id == recipe_id)
        .values(version=work_process_types.c.version + 1, modified_at=func.now(), **_columns(recipe))
    )
    await connection.execute(delete(recipe_steps).where(recipe_steps.c.work_process_type_id == recipe_id))
    await _insert_steps(connection, recipe_id, recipe.steps)
    await _tell(connection, Action.UPDATED, recipe_id, recipe.name, principal, source)
    return bool(before.max_concurrent != recipe.max_concurrent)


async def remove(connection: Connection, recipe_id: int, *, principal: Principal, source: str) -> bool:
    """Delete a recipe, with an event; missions that were dispatched from it are not touched. Raises NotFound.

    True: its `maxConcurrent` goes with it, as in `replace`.
    """
    gone = delete(work_process_types).where(work_process_types.c.id == recipe_id)
    before = (
        await connection.execute(gone.returning(work_process_types.c.name, work_process_types.c.max_concurrent))
    ).one_or_none()
    if before is None:
        raise _unknown(recipe_id)
    await _tell(connection, Action.DELETED, recipe_id, before.name, principal, source)
    return before.max_concurrent is not None


async def lock_version(connection: Connection, recipe_id: int) -> int:
    """Lock a recipe's row and return its version; raises NotFound."""
    version: int | None = await connection.scalar(
        select(work_process_types.c.version).where(work_process_types.c.id == recipe_id).with_for_update()
    )
    if version is None:
        raise _unknown(recipe_id)
    return version


async def get(connection: Connection, recipe_id: int) -> StoredRecipe:
    """One recipe; raises NotFound."""
    found = await _read(connection, work_process_types.c.id == recipe_id)
    if not found:
        raise _unknown(recipe_id)
    return found[0]


async def id_of(connection: Connection, name: str) -> int | None:
    """The id of the recipe of this name."""
    found: int | None = await connection.scalar(
        select(work_process_types.c.id).where(work_process_types.c.name == name)
    )
    return found


async def page(connection: Connection, *, after: int, limit: int, name: str | None = None) -> list[StoredRecipe]:
    """Recipes in the order of their ids."""
    condition = work_process_types.c.id > after
    if name is not None:
        condition &= work_process_types.c.name == name
    return await _read(connection, condition, limit)


async def _read(connection: Connection, condition: Any, limit: int = 1) -> list[StoredRecipe]:
    rows = (
        (
            await connection.execute(
                select(work_process_types).where(condition).order_by(work_process_types.c.id).limit(limit)
            )
        )
        .mappings()
        .all()
    )
    steps: dict[int, list[RecipeStep]] = {row["id"]: [] for row in rows}
    for step in (
        await connection.execute(
            select(recipe_steps)
            .where(recipe_steps.c.work_process_type_id.in_(steps))
            .order_by(recipe_steps.c.work_process_type_id, recipe_steps.c.position)
        )
    ).mappings():
        steps[step["work_process_type_id"]].append(
            RecipeStep.model_construct(
                **{name: step[_STEP_COLUMNS.get(name, name)] for name in RecipeStep.model_fields}
            )
        )
    return [
        StoredRecipe(
            id=row["id"],
            version=row["version"],
            created_at=row["created_at"],
            modified_at=row["modified_at"],
            recipe=Recipe(
                name=row["name"],
                description=row["description"],
                num_max_agents=row["num_max_agents"],
                max_concurrent=row["max_concurrent"],
                settings=row["settings"],
                on_assignment_failure=row["on_assignment_failure"],
                fallback_mission=row["fallback_mission"],
                options=MissionOptions.model_validate(stored_options(row["options"])),
                steps=steps[row["id"]],
            ),
        )
        for row in rows
    ]


def _columns(recipe: Recipe) -> dict[str, Any]:
    return {
        "description": recipe.description,
        "num_max_agents": recipe.num_max_agents,
        "max_concurrent": recipe.max_concurrent,
        "settings": recipe.settings,
        "on_assignment_failure": recipe.on_assignment_failure,
        "fallback_mission": recipe.fallback_mission,
        "options": recipe.options.model_dump(mode="json", by_alias=True),
    }


async def _insert_steps(connection: Connection, recipe_id: int, steps: Sequence[RecipeStep]) -> None:
    if steps:
        await connection.execute(
            insert(recipe_steps),
            [
                {_STEP_COLUMNS.get(name, name): value for name, value in step.model_dump().items()}
                | {"work_process_type_id": recipe_id, "position": position}
                for position, step in enumerate(steps)
            ],
        )


async def _tell(
    connection: Connection, action: Action, recipe_id: int, name: str, principal: Principal, source: str
) -> None:
    payload = RecipeChanged(recipe_id=recipe_id, name=name, action=action)
    await events.append(connection, [event(payload, source=source, actor=principal)])


def _unknown(recipe_id: int) -> NotFound:
    return NotFound(
        f"recipe {recipe_id} does not exist",
        field="id",
        value=recipe_id,
        remedy="list the recipes to find its id",
    )
