"""Recipes: what a type of mission consists of, and the policies that its missions start with."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from missions.errors import InvalidInput
from missions.failure_policies import DEFAULT_FALLBACK
from missions.graph import GraphStep
from missions.limits import LONGEST, MAX_INTEGER, Seconds, at_most
from missions.statuses import FailurePolicy, OnAgentSilent, UnconfirmedStart

MOST_RETRIES = 100
"""More attempts than that are a mistake."""


class MissionOptions(BaseModel):
    """Limits and policies of a mission, resolved at dispatch and stored with it. Times in seconds; None: no limit."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")

    max_wait: Seconds | None = Field(None, description="longest wait for agents, then the mission fails")
    mission_timeout: Seconds | None = Field(None, description="from the start of its run to the end, over all attempts")
    assignment_timeout: Seconds | None = Field(None, description="from dispatch of one to its last report")
    agent_silence: Seconds | None = Field(
        None, description="an agent with an assignment that says nothing this long raises attention"
    )
    on_agent_silent: OnAgentSilent = Field(
        OnAgentSilent.WAIT,
        description="what then: wait, fail the assignment, or reassign it to a free agent that fits",
    )
    assignment_start_timeout: Seconds = Field(
        30.0,
        description="how long an assignment waits for an agent that is not listening, then it fails; and after a"
        " publish with unknown outcome: how long for the agent's report",
    )
    unconfirmed_start: UnconfirmedStart = Field(
        UnconfirmedStart.HOLD, description="what then: hold (attention), fail, or re-send under the same id"
    )
    max_retries: int = Field(
        0, ge=0, le=MOST_RETRIES, strict=True, description="attempts in all: 3 means three; 0 and 1 mean one"
    )
    retry_initial_interval: Seconds = Field(1.0, description="longest wait before the second attempt")
    retry_backoff: float = Field(
        2.0,
        ge=1,
        le=100,
        allow_inf_nan=False,
        strict=True,
        description="by how much that grows with each further attempt",
    )
    retry_max_interval: Seconds = Field(300.0, description="longest wait before any attempt")
    retry_execution_failures: bool = Field(
        False,
        strict=True,
        description="also failed assignments, time-outs and silent agents; else planning and reservation failures only",
    )


def stored_options(value: object) -> object:
    """Options as this version takes them, from where any version may have written them: rows, inputs of runs.

    What clients send is refused for an unknown option or a huge time; a run that was started so must not hang for it.
    """
    if not isinstance(value, dict):
        return value
    known = {name for key, field in MissionOptions.model_fields.items() for name in (key, field.alias)}
    return {key: at_most(LONGEST, item) for key, item in value.items() if key in known}


class RecipeStep(BaseModel):
    """One step: which activity type, after which steps, with which input."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    step: str = Field(min_length=1, max_length=200, examples=["plan_drive"])
    uses: str = Field("microservice", description="activity type", examples=["microservice"])
    service_type: str | None = Field(None, description="for microservice: the service's type", examples=["drive"])
    service_config: dict[str, Any] | None = Field(None, description="replaces the service's own config")
    input: dict[str, Any] = Field(default_factory=dict, description="input of the activity type")
    request_order: int | None = Field(None, ge=0, strict=True)
    dependencies: list[str] | None = Field(None, description="steps to wait for; absent: by request_order")
    apply_result: bool = Field(True, description="turn the results into assignments")
    wait_assignments: bool = Field(True, description="also wait for the assignments of the steps waited for")
    timeout: Seconds | None = Field(None, description="seconds; default: the service's result_timeout")

    def activity_input(self) -> dict[str, Any]:
        """The input of the activity type; `service_type` and `service_config` are short for two fields."""
        short = {"service_type": self.service_type, "service_config": self.service_config}
        return self.input | {name: value for name, value in short.items() if value is not None}


class Recipe(BaseModel):
    """A type of mission (helyOS: work process type)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, examples=["driving"])
    description: str | None = None
    num_max_agents: int | None = Field(None, ge=0, strict=True)
    max_concurrent: int | None = Field(
        None,
        ge=0,
        le=MAX_INTEGER,
        strict=True,
        description="how many of its missions without agents run at once; null: no limit",
    )
    settings: dict[str, Any] | None = Field(None, description="sent to services as request._settings")
    on_assignment_failure: FailurePolicy = FailurePolicy.FAIL_MISSION
    fallback_mission: str | None = Field(None, description="recipe for the agent that RELEASE_FAILED released")
    options: MissionOptions = Field(default_factory=MissionOptions)
    steps: list[RecipeStep] = Field(default_factory=list)

    @field_validator("on_assignment_failure")
    @classmethod
    def _widest_scope(cls, policy: FailurePolicy) -> FailurePolicy:
        # The recipe is the widest scope, so its default is a real policy.
        return FailurePolicy.FAIL_MISSION if policy is FailurePolicy.DEFAULT else policy

    @field_validator("fallback_mission")
    @classmethod
    def _no_wider_scope(cls, name: str | None) -> str | None:
        return None if name in ("", DEFAULT_FALLBACK) else name

    def graph(self) -> list[GraphStep]:
        """Who waits for whom."""
        return [GraphStep(s.step, s.request_order, s.dependencies) for s in self.steps]


def refuse_too_many_agents(
    recipe: str, most: int | None, agent_ids: list[int], agent_selector: dict[str, Any] | None
) -> None:
    """Raise InvalidInput if a mission asks for more agents than its recipe takes; None: any number."""
    count, field = len(agent_ids), "agentIds"
    if agent_selector is not None:
        count, field = agent_selector["count"], "agentSelector.count"
    if most is not None and count > most:
        raise InvalidInput(
            f"{count} agents are asked for, and the recipe {recipe!r} takes at most {most}",
            field=field,
            value=count,
            remedy=f"ask for at most {most} agents",
        )
