"""What clients wish of a mission: dispatch it, cancel it. Its other statuses are written by its own activities."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, insert, select

from missions import task_events
from missions.contracts import ActivityPreset, StepPlan
from missions.errors import Conflict, InvalidInput
from missions.events import utc_now
from missions.failure_policies import DEFAULT_FALLBACK
from missions.graph import GraphStep, resolve_dependencies
from missions.limits import LONGEST
from missions.principals import MUSTER, Principal
from missions.recipes import MissionOptions, RecipeStep, refuse_too_many_agents, stored_options
from missions.statuses import FailurePolicy, OnBusy, ServiceDomain, ServiceRequestStatus, WorkProcessStatus
from settings import Settings
from store import exclusive_access, run_starts, wakeups
from store.connection import Connection
from store.tables import (
    installation,
    recipe_steps,
    service_requests,
    services,
    work_process_types,
)
from store.wakeups import Wakeup
from store.work_process_status import LockedWorkProcess, change, lock

ResolvePreset = Callable[[RecipeStep, float], ActivityPreset]
"""How a step's activity is run: (step, time-out in seconds) → preset. The registry of activity types knows."""

DEFAULT_STEP_TIMEOUT = 180.0
MICROSERVICE = "microservice"
# The engine refuses inputs of 2 MB; the plan also travels with each activity's history.
MAX_PLAN_BYTES = 512 * 1024


async def dispatch(
    connection: Connection,
    work_process_id: int,
    *,
    principal: Principal,
    source: str,
    settings: Settings,
    resolve_preset: ResolvePreset,
) -> Wakeup:
    """Dispatch a draft: fix its plan from the recipe as it is now, and start its workflow.

    Raises NotFound, Conflict (dispatched before, instrument held), InvalidInput (recipe gone, no service for a step).
    """
    work_process = await lock(connection, work_process_id)
    if work_process.status is not WorkProcessStatus.DRAFT:
        raise Conflict(
            f"work process {work_process_id} is {work_process.status.value!r}, not a draft",
            field="status",
            value=WorkProcessStatus.DISPATCHED.value,
            remedy="only a draft can be dispatched; create a new work process",
        )
    recipe = await _recipe(connection, work_process.type_name)
    most, selector = recipe["num_max_agents"], work_process.agent_selector
    # The recipe may have changed since the draft was written. Of a selector the agents are chosen later.
    refuse_too_many_agents(work_process.type_name, most, work_process.agent_ids, selector)
    await _refuse_busy_instruments(connection, work_process, principal, settings)
    options = MissionOptions.model_validate(stored_options(recipe["options"]))
    plan = await _plan(connection, work_process, recipe["id"], resolve_preset)
    workflow_id = f"work-process-{recipe['installation_id']}-{work_process_id}"
    now = utc_now()
    max_retries = options.max_retries if work_process.max_retries is None else work_process.max_retries
    policy, fallback = work_process.on_assignment_failure, work_process.fallback_mission
    await change(
        connection,
        work_process,
        WorkProcessStatus.DISPATCHED,
        principal=principal,
        source=source,
        values={
            "dispatched_at": now,
            "workflow_id": workflow_id,
            "options": options.model_dump(mode="json", by_alias=True),
            "settings": recipe["settings"],
            "max_retries": max_retries,
            "on_assignment_failure": recipe["on_assignment_failure"] if policy == FailurePolicy.DEFAULT else policy,
            "fallback_mission": recipe["fallback_mission"] or DEFAULT_FALLBACK
            if fallback == DEFAULT_FALLBACK
            else fallback,
        },
        also=[
            task_events.created(
                work_process_id, work_process.type_name, work_process.priority, now, source=source, actor=principal
            )
        ],
    )
    start = run_starts.of_mission(
        work_process,
        plan,
        installation=recipe["installation_id"],
        settings=settings,
        options=options,
        max_retries=max_retries,
    )
    if len(start.model_dump_json()) > MAX_PLAN_BYTES:
        raise InvalidInput(
            f"the plan of recipe {work_process.type_name!r} is larger than {MAX_PLAN_BYTES} bytes",
            field="workProcessTypeName",
            value=work_process.type_name,
            remedy="use fewer steps, or shorter names of steps",
        )
    return await wakeups.add_start(connection, workflow_id, start)


async def _refuse_busy_instruments(
    connection: Connection, work_process: LockedWorkProcess, principal: Principal, settings: Settings
) -> None:
    """Raise Conflict if the mission is to start now, and may not wait for an instrument of others.

    What Muster itself dispatches, of a queue or after a failure, waits whatever the setting says. A mission that starts
    later meets who holds an instrument then when its assignments are sent.
    """
    if work_process.sched_start_at is not None and work_process.sched_start_at > utc_now():
        return
    if settings.instruments_busy == OnBusy.REFUSE and principal != MUSTER:
        await exclusive_access.refuse_if_busy(connection, work_process.agent_ids, but=work_process.id)
    elif not work_process.wait_free_agent:
        await exclusive_access.refuse_if_held(
            connection,
            work_process.agent_ids,
            but=work_process.id,
            or_else="or leave `waitFreeAgent` out, so that the mission waits for it",
        )


_RECIPE = select(work_process_types, select(installation.c.id).scalar_subquery().label("installation_id")).where(
    work_process_types.c.name == bindparam("of")
)
_STEPS = (
    select(recipe_steps).where(recipe_steps.c.work_process_type_id == bindparam("of")).order_by(recipe_steps.c.position)
)
_SERVICES = select(services).where(
    services.c.service_type == any_(bindparam("types", type_=ARRAY(Text))), services.c.enabled
)


_INSERT_STEPS = insert(service_requests).returning(service_requests.c.id)


async def _recipe(connection: Connection, name: str) -> Any:
    """The recipe's row, with the id of this installation."""
    row = (await connection.execute(_RECIPE, {"of": name})).mappings().one_or_none()
    if row is None:
        raise InvalidInput(
            f"there is no recipe {name!r}",
            field="workProcessTypeName",
            value=name,
            remedy="create the recipe first, or use the name of one that exists",
        )
    return row


async def _plan(
    connection: Connection, work_process: LockedWorkProcess, recipe_id: int, resolve_preset: ResolvePreset
) -> list[StepPlan]:
    """Copy the recipe's steps into service requests, so that a later edit of the recipe does not reach this mission."""
    rows = (await connection.execute(_STEPS, {"of": recipe_id})).mappings().all()
    if not rows:
        raise InvalidInput(
            f"the recipe {work_process.type_name!r} has no steps, so there is nothing to do",
            field="workProcessTypeName",
            value=work_process.type_name,
            remedy="give the recipe a step (PUT /api/v1/recipes/{id})",
        )
    types = {row["service_type"] for row in rows if row["service_type"] is not None}
    enabled = await connection.execute(_SERVICES, {"types": sorted(types)})
    by_type = {service["service_type"]: service for service in enabled.mappings()}
    graph = resolve_dependencies([GraphStep(r["step"], r["request_order"], r["depends_on_steps"]) for r in rows])
    requests, presets = [], []
    for row in rows:
        service = by_type.get(row["service_type"])
        if row["uses"] == MICROSERVICE and service is None:
            raise InvalidInput(
                f"step {row['step']!r} needs a service of type {row['service_type']!r}, and none is enabled",
                field="workProcessTypeName",
                value=work_process.type_name,
                remedy=f"register and enable a service of type {row['service_type']!r}",
            )
        if work_process.yard_id is None:
            _refuse_map_without_yard(row, service)
        timeout = min(row["timeout"] or (service["result_timeout"] if service else DEFAULT_STEP_TIMEOUT), LONGEST)
        waits = service["availability_timeout"] if service and service["health_endpoint"] else 0
        step = RecipeStep(
            step=row["step"],
            uses=row["uses"],
            service_type=row["service_type"],
            service_config=row["service_config"],
            input=row["input"],
        )
        preset = resolve_preset(step, timeout + waits)
        presets.append(preset)
        depends_on = graph[row["step"]]
        requests.append(
            {
                "work_process_id": work_process.id,
                "attempt": work_process.attempt,
                "step": row["step"],
                "uses": row["uses"],
                "preset": preset.model_dump(mode="json"),
                "depends_on_steps": list(depends_on),
                "input": step.activity_input(),
                "status": ServiceRequestStatus.WAIT_DEPENDENCIES
                if depends_on
                else ServiceRequestStatus.READY_FOR_SERVICE,
                "result_timeout": timeout,
                "is_result_assignment": row["is_result_assignment"],
                "wait_dependencies_assignments": row["wait_dependencies_assignments"],
                **_service_columns(row, service),
            }
        )
    ids = (await connection.execute(_INSERT_STEPS, requests)).scalars()
    return [
        StepPlan(
            service_request_id=request_id,
            step=request["step"],
            uses=request["uses"],
            depends_on=request["depends_on_steps"],
            wait_assignments=request["wait_dependencies_assignments"],
            apply_result=request["is_result_assignment"],
            preset=preset,
        )
        for request_id, request, preset in zip(ids, requests, presets, strict=True)
    ]


def _refuse_map_without_yard(step: Any, service: Any) -> None:
    """A map server's answer changes the map of the mission's yard."""
    if service is not None and service["class"] == ServiceDomain.MAP_SERVER and step["is_result_assignment"]:
        raise InvalidInput(
            f"step {step['step']!r} changes the map of the mission's yard, and the mission names no yard",
            field="yardId",
            value=None,
            remedy="send `yardId` or `yardUid`, or set `applyResult: false` on the step",
        )


def _service_columns(row: Any, service: Any) -> dict[str, Any]:
    if service is None:
        return dict.fromkeys(
            (
                "service_id",
                "service_type",
                "service_url",
                "service_class",
                "health_endpoint",
                "availability_timeout",
                "licence_key",
                "is_dummy",
                "config",
                "require_agents_data",
                "require_mission_agents_data",
                "require_map_data",
                "require_map_objects",
            )
        )
    return {
        "service_id": service["id"],
        "service_type": service["service_type"],
        "service_url": service["service_url"],
        "service_class": service["class"],
        "health_endpoint": service["health_endpoint"],
        "availability_timeout": service["availability_timeout"],
        "licence_key": service["licence_key"],
        "is_dummy": service["is_dummy"],
        "config": service["config"] if row["service_config"] is None else row["service_config"],
        "require_agents_data": service["require_agents_data"],
        "require_mission_agents_data": service["require_mission_agents_data"],
        "require_map_data": service["require_map_data"],
        "require_map_objects": service["require_map_objects"],
    }
