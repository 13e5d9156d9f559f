"""Recipes and activity types on the wire."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions.limits import MAX_INTEGER
from missions.recipes import Recipe, RecipeStep
from missions.requests import refuse_unstorable
from store.recipes import StoredRecipe


class RecipeStepBody(RecipeStep):
    """One step of a recipe, as clients write it."""

    request_order: int | None = Field(
        None,
        ge=0,
        le=MAX_INTEGER,
        strict=True,
        description="without `dependencies`: after all steps of the next lower number",
    )


class RecipeBody(Recipe):
    """A recipe as clients write it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "driving",
                    "numMaxAgents": 1,
                    "onAssignmentFailure": "FAIL_MISSION",
                    "steps": [{"step": "plan_drive", "uses": "microservice", "serviceType": "drive"}],
                }
            ]
        }
    )

    num_max_agents: int | None = Field(None, ge=0, le=MAX_INTEGER, strict=True, description="more agents are refused")
    steps: list[RecipeStepBody] = Field(default_factory=list, max_length=1000)  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, document: object) -> object:
        if isinstance(document, dict):
            refuse_unstorable(document)
        return document


class RecipeQuery(PageQuery):
    """Which recipes to list."""

    name: QueryText | None = None


class StoredStep(Resource):
    """One step of a stored recipe."""

    step: str
    uses: str
    service_type: str | None
    service_config: Any
    input: Any
    request_order: int | None
    dependencies: list[str] | None
    apply_result: bool
    wait_assignments: bool
    timeout: float | None


class RecipeResource(Resource):
    """A stored recipe."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["driving"])
    description: str | None
    num_max_agents: int | None
    max_concurrent: int | None
    settings: Any
    on_assignment_failure: str
    fallback_mission: str | None
    options: dict[str, Any]
    steps: list[StoredStep]
    created_at: Moment
    modified_at: Moment
    version: int = Field(description="also the ETag")

    @classmethod
    def of(cls, stored: StoredRecipe) -> "RecipeResource":
        """The recipe of its rows."""
        recipe = stored.recipe
        return cls.model_validate(
            recipe.model_dump(exclude={"options"})
            | {
                "options": recipe.options.model_dump(mode="json", by_alias=True),
                "id": stored.id,
                "created_at": stored.created_at,
                "modified_at": stored.modified_at,
                "version": stored.version,
            }
        )


class ActivityTypeResource(Resource):
    """What a step may use."""

    name: str = Field(examples=["microservice"])
    description: str
    input_schema: dict[str, Any] = Field(description="JSON Schema of the step's `input`")
