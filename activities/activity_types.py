"""What an activity type is: the seam for developers who add one (docs/adding-an-activity-type.md)."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_type_hints

import httpx
from pydantic import BaseModel, ValidationError
from temporalio import activity

from missions.contracts import ActivityPreset
from missions.errors import Failure, FailureCode, InvalidInput, PlanningFailed
from missions.recipes import RecipeStep
from settings import Settings


class Preset(StrEnum):
    """How long an activity may take, and how it is tried again."""

    CALL = "call"
    """One short call; tried again after faults until the step's time-out is over."""
    LONG = "long"
    """A job that may take as long as the step's time-out; must call `context.heartbeat()` at least each 3 s."""


def resolve_preset(preset: Preset, timeout: float) -> ActivityPreset:
    """The engine's options for a preset. `timeout`: of the step, in seconds."""
    if preset is Preset.LONG:
        # The activity keeps its own deadline; the engine's is a net below it. 4 s of heartbeat: a killed
        # worker's job goes on soon.
        return ActivityPreset(start_to_close=timeout + 60, heartbeat=4.0, schedule_to_close=timeout + 120)
    return ActivityPreset(start_to_close=min(timeout, 30.0), schedule_to_close=timeout)


class ActivityFailed(PlanningFailed):
    """Raised by an activity type: the step has failed and another try would not help. Network errors are retried."""

    def __init__(self, text: str, *, url: str | None = None) -> None:
        super().__init__(Failure(code=FailureCode.PLANNING_FAILED, text=text, url=url))


@dataclass(frozen=True)
class Service:
    """The service that a step is configured with."""

    url: str
    api_key: str | None
    is_dummy: bool
    domain: str


@dataclass
class StepContext:
    """What an activity type gets beside its own input."""

    work_process_id: int
    attempt: int
    step: str
    request: Any
    """The mission's data, or what the step before put in its place."""
    context: dict[str, Any]
    """Yard, agents, orchestration, answers of the steps before (spec 2, HelyOSContext)."""
    config: dict[str, Any] | None
    service: Service | None
    idempotency_key: str
    """The same for every try of this step."""
    job_id: str | None
    """The job that is stored: what this try or an earlier one saved with `save_job`."""
    elapsed: float
    """Seconds since the first try of this step began."""
    timeout: float
    """Seconds that the step may take in all."""
    http: httpx.AsyncClient
    settings: Settings = field(repr=False)
    save_job: Callable[[str], Awaitable[bool]] = field(repr=False)
    """Store the service's job id; False: the mission was cancelled meanwhile, so the job should be too.

    True: go on with `job_id`, which is another try's job if that was stored first.
    """

    def heartbeat(self) -> None:
        """Tell the engine that the work goes on; LONG activities call it at least each 3 s."""
        activity.heartbeat()


Run = Callable[[Any, StepContext], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class ActivityType:
    """One activity type that recipes may use."""

    name: str
    description: str
    input_model: type[BaseModel]
    run: Run
    preset_name: Preset

    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of its input."""
        return self.input_model.model_json_schema()

    def read_input(self, step: str, value: dict[str, Any]) -> BaseModel:
        """Its input, validated; raises InvalidInput naming step and field."""
        try:
            return self.input_model.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(
                f"step {step!r} uses {self.name!r}, whose input {where or '(as a whole)'}: {first['msg']}",
                field=f"steps.{step}.input.{where}".rstrip("."),
                value=None if first["type"] == "missing" else first["input"],
                remedy=f"see the JSON Schema of {self.name!r} at /api/v1/activity-types",
            ) from None

    def validate(self, step: RecipeStep) -> None:
        """Refuse a recipe's step whose input does not fit; raises InvalidInput."""
        self.read_input(step.step, step.activity_input())

    def preset(self, step: RecipeStep, timeout: float) -> ActivityPreset:
        """The engine's options for one step. `timeout`: seconds."""
        return resolve_preset(self.preset_name, timeout)


def known_activity_type(step: RecipeStep, known: Mapping[str, ActivityType]) -> ActivityType:
    """The activity type that a step uses; raises InvalidInput naming the known ones."""
    kind = known.get(step.uses)
    if kind is None:
        raise InvalidInput(
            f"step {step.step!r} uses {step.uses!r}, which is no activity type",
            field=f"steps.{step.step}.uses",
            value=step.uses,
            remedy=f"use one of: {', '.join(sorted(known))}",
        )
    return kind


ACTIVITY_TYPE_MARK = "__muster_activity_type__"


def activity_type(name: str, *, preset: Preset = Preset.CALL) -> Callable[[Run], Run]:
    """Make an async function `(input_model, StepContext) -> dict` an activity type that recipes use by `name`.

    Its docstring's first line is the description; its first parameter's pydantic model is the input's schema; the dict
    that it returns is the step's response, which later steps find in `context.dependencies`.
    """

    def mark(run: Run) -> Run:
        if not inspect.iscoroutinefunction(run):
            raise TypeError(f"activity type {name!r} must be an `async def`: a blocking one would hold up all others")
        first = next(iter(inspect.signature(run).parameters), "")
        model = get_type_hints(run).get(first)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"activity type {name!r}: its first parameter must be annotated with a pydantic model")
        description = (inspect.getdoc(run) or "").split("\n")[0]
        setattr(run, ACTIVITY_TYPE_MARK, ActivityType(name, description, model, run, preset))
        return run

    return mark
