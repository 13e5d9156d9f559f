"""Recipes: create, read, replace, delete, import; and the activity types that their steps use."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import IfMatch, Parts, PartsDep, PrincipalDep, etag, next_cursor, read_cursor, require_match
from api.idempotency import MADE_BEFORE, CreationDep
from api.imports import YAML_BODY, Existing, Imported, import_text
from api.models.base import Page, PathId
from api.models.recipes import ActivityTypeResource, RecipeBody, RecipeQuery, RecipeResource
from api.problems import FieldProblem, Refused, responses, shown
from api.recipe_rules import recipe_problems
from missions.events import EventSource
from store import recipes, slots

router = APIRouter(prefix="/recipes", tags=["recipes"])
activity_types_router = APIRouter(prefix="/activity-types", tags=["activity types"])


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 409, 413, 422))
async def create_recipe(
    body: RecipeBody, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> RecipeResource:
    """Create a recipe: its graph must hold, and each step's input must fit its activity type."""
    _refuse_problems(body, parts)
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        recipe_id = (
            await recipes.create(connection, body, principal=principal, source=EventSource.API)
            if made is None
            else made[0]
        )
        if recipe_id is None:
            raise recipes.name_taken(body.name)
        if made is None:
            await recipes.refuse_unknown_fallback(connection, body)
            await creation.remember(connection, recipe_id)
    response.headers["Location"] = f"/api/v1/recipes/{recipe_id}"
    return await _read(parts, recipe_id, response)


@router.post("/import", openapi_extra=YAML_BODY, responses=responses(413, 422))
async def import_recipes(
    request: Request, parts: PartsDep, principal: PrincipalDep, existing: Existing = Existing.KEEP
) -> Imported:
    """Take recipes from a YAML file: all of them, or none and everything that is wrong with its place."""
    imported = await import_text(
        parts.database,
        await request.body(),
        parts.activity_types,
        kinds=("recipes",),
        existing=existing,
        principal=principal,
    )
    await parts.waker.send(await slots.move_up(parts.database))
    return imported


@router.get("", responses=responses(422))
async def list_recipes(
    query: Annotated[RecipeQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[RecipeResource]:
    """Recipes in the order of their ids."""
    async with parts.database.transaction() as connection:
        found = await recipes.page(
            connection, after=read_cursor(query.cursor) or 0, limit=query.limit + 1, name=query.name
        )
    return Page(
        items=[RecipeResource.of(stored) for stored in found[: query.limit]],
        next_cursor=next_cursor(found, query.limit, lambda stored: int(stored.id)),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_recipe(id: PathId, response: Response, parts: PartsDep, _: PrincipalDep) -> RecipeResource:
    """One recipe."""
    return await _read(parts, id, response)


@router.put("/{id}", responses=responses(400, 404, 412, 413, 422))
async def replace_recipe(
    id: PathId, body: RecipeBody, response: Response, parts: PartsDep, principal: PrincipalDep, if_match: IfMatch = None
) -> RecipeResource:
    """Replace a recipe's content; missions that were dispatched keep the old one, but for `maxConcurrent`."""
    _refuse_problems(body, parts)
    async with parts.database.transaction() as connection:
        require_match(if_match, await recipes.lock_version(connection, id))
        moves = await recipes.replace(connection, id, body, principal=principal, source=EventSource.API)
        await recipes.refuse_unknown_fallback(connection, body)
        if moves:
            await slots.lock_line(connection)
    await parts.waker.send(await slots.move_up(parts.database))
    return await _read(parts, id, response)


@router.delete("/{id}", status_code=204, responses=responses(404, 422))
async def delete_recipe(id: PathId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Delete a recipe; missions that were dispatched from it go on, its drafts can no longer be dispatched."""
    async with parts.database.transaction() as connection:
        if await recipes.remove(connection, id, principal=principal, source=EventSource.API):
            await slots.lock_line(connection)
    await parts.waker.send(await slots.move_up(parts.database))


@activity_types_router.get("", responses=responses())
async def list_activity_types(parts: PartsDep, _: PrincipalDep) -> Page[ActivityTypeResource]:
    """What the steps of a recipe may use, with the JSON Schema of their input."""
    return Page(
        items=[
            ActivityTypeResource(name=kind.name, description=kind.description, input_schema=kind.input_schema())
            for _, kind in sorted(parts.activity_types.items())
        ]
    )


def _refuse_problems(body: RecipeBody, parts: Parts) -> None:
    problems = recipe_problems(body, parts.activity_types)
    if problems:
        raise Refused(
            [
                FieldProblem(field=p.field, value=shown(p.value, p.field), detail=p.detail, remedy=p.remedy)
                for p in problems
            ]
        )


async def _read(parts: Parts, recipe_id: int, response: Response) -> RecipeResource:
    async with parts.database.transaction() as connection:
        recipe = RecipeResource.of(await recipes.get(connection, recipe_id))
    response.headers.update(etag(recipe.version))
    return recipe
