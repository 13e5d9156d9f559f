"""Runs one step of a recipe: wraps an activity type into an activity of the engine.

The wrapper does what all types share: it moves the mission to `calculating`, gives the type its context, stores what it
answers, and turns its errors into the step's failure.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.activity_types import ActivityType, Service, StepContext
from activities.heartbeats import beating
from activities.parts import Parts
from missions import task_events
from missions.contracts import Outcome, RunStep, StepRan
from missions.errors import Failure, FailureCode, InvalidInput, MissionError
from missions.event_catalogue import event
from missions.event_payloads.configuration import YardMapUpdated
from missions.events import Action, EventSource, NewEvent, utc_now
from missions.map_answers import MapChange, read_map_change
from missions.nesting import MAX_DEPTH, too_deep
from missions.orchestration import next_request, skipped_dependents
from missions.principals import MUSTER
from missions.service_health import HealthTarget
from missions.statuses import ServiceDomain, ServiceRequestStatus, WorkProcessStatus
from missions.transitions import SERVICE_REQUEST_ENDED
from store import attempts, events, map_objects, service_health, step_requests
from store.connection import Connection
from store.step_context import step_context
from store.work_process_status import LockedWorkProcess, change, lock

# NUL as JSON writes it; behind an escaped backslash the same letters are harmless text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_BEFORE_CALCULATING = frozenset({WorkProcessStatus.DISPATCHED, WorkProcessStatus.PREPARING_RESOURCES})


def as_activity(kind: ActivityType, parts: Parts) -> Callable[[RunStep], Awaitable[StepRan]]:
    """The engine's activity, named as the type, that runs it."""

    @activity.defn(name=kind.name)
    async def run_step(call: RunStep) -> StepRan:
        return await _StepRun(kind, parts, call).run()

    return run_step


class _Superseded(Exception):
    """A cancel came first."""


class _StepRun:
    def __init__(self, kind: ActivityType, parts: Parts, call: RunStep) -> None:
        self._kind = kind
        self._parts = parts
        self._call = call
        self._row: Any = None
        self._status = ServiceRequestStatus.READY_FOR_SERVICE
        self._dependents: list[str] = []
        self._map: MapChange | None = None
        self._target: HealthTarget | None = None
        self._healthy = False

    async def run(self) -> StepRan:
        begun = await self._begin()
        if begun is None:
            try:
                begun = await self._until_healthy() or await self._begin()
            except MissionError as error:
                return await self._end(ServiceRequestStatus.FAILED, failure=error.failure)
        if isinstance(begun, StepRan):
            return begun
        assert begun is not None, "the service was healthy"
        try:
            response = await self._kind.run(self._kind.read_input(self._call.step, self._row["input"]), begun)
            skips = skipped_dependents(response, self._dependents, step=self._call.step, url=self._row["service_url"])
            self._map = self._map_change(response)
        except MissionError as error:
            failure = error.failure.model_copy(update={"step": self._call.step})
            late = failure.code is FailureCode.PLANNER_TIMEOUT
            status = ServiceRequestStatus.TIME_OUT if late else ServiceRequestStatus.FAILED
            return await self._end(status, failure=failure)
        except InvalidInput as error:
            failure = Failure(code=FailureCode.STEP_INPUT_INVALID, text=error.detail, step=self._call.step)
            return await self._end(ServiceRequestStatus.FAILED, failure=failure)
        except httpx.HTTPError as error:
            # A fault of the way: the engine tries again, with its cause in the UI.
            raise ApplicationError(
                f"step {self._call.step!r}: {type(error).__name__}: {error}", type=type(error).__name__
            ) from error
        unfit = _unfit_for_the_store(response)
        if unfit:
            failure = Failure(
                code=FailureCode.PLANNING_FAILED,
                text=f"step {self._call.step!r}: the answer{self._from()} {unfit}",
                step=self._call.step,
                url=self._row["service_url"],
            )
            return await self._end(ServiceRequestStatus.FAILED, failure=failure)
        return await self._end(ServiceRequestStatus.READY, response=response, skips=skips)

    def _map_change(self, response: Any) -> MapChange | None:
        row = self._row
        applied = row["service_class"] == ServiceDomain.MAP_SERVER and row["is_result_assignment"]
        if not applied or not isinstance(response, dict):
            return None
        return read_map_change(response, step=self._call.step, url=row["service_url"])

    def _from(self) -> str:
        url = self._row["service_url"]
        return "" if url is None else f" of the service at {url}"

    async def _begin(self) -> StepRan | StepContext | None:
        """The step as its type gets it; or its end; None: first its service's health has to be asked."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, self._call.work_process_id, attempt=self._call.attempt)
            self._row = row = await step_requests.read(connection, self._call.service_request_id)
            ended = await _ended(connection, work_process, row)
            if ended is not None:  # an earlier try came to the end and died before saying so
                return ended
            self._status = ServiceRequestStatus(row["status"])
            if self._asks_health(row):
                return None
            context = await step_context(connection, work_process, row)
            self._dependents = list(context["orchestration"]["next_step"])
            request = _request(row, context.get("dependencies", []))
            begun: list[NewEvent] = []
            if row["dispatched_at"] is None:
                if self._target is not None:
                    await service_health.step_waits_no_more(connection, row)
                begun.append(await step_requests.begin(connection, row, request))
                self._status = ServiceRequestStatus.DISPATCHING_SERVICE
            if work_process.status in _BEFORE_CALCULATING:
                await self._calculating(connection, work_process, begun)
            else:
                await events.append_for_mission(connection, work_process.id, begun)
        made = StepContext(
            work_process_id=self._call.work_process_id,
            attempt=self._call.attempt,
            step=self._call.step,
            request=request,
            context=context,
            config=row["config"],
            service=None
            if row["service_url"] is None
            else Service(row["service_url"], row["licence_key"], bool(row["is_dummy"]), row["service_class"]),
            idempotency_key=f"{work_process.workflow_id}:{self._call.attempt}:{self._call.step}",
            job_id=row["request_uid"],
            elapsed=float(row["elapsed"] or 0),
            timeout=row["result_timeout"],
            http=self._parts.http,
            settings=self._parts.settings,
            save_job=lambda job: self._save_job(made, job),
        )
        return made

    def _asks_health(self, row: Any) -> bool:
        self._target = service_health.target_of(row)
        if self._target is None or self._healthy or row["dispatched_at"] is not None:
            return False
        return not self._parts.service_health.known_healthy(self._target)

    async def _until_healthy(self) -> StepRan | None:
        """Wait until the step's service is healthy, and show that the mission waits; raises PlanningFailed."""
        row, target = self._row, self._target
        assert target is not None
        since = service_health.waits_since(row)  # an earlier try has waited already
        waited = 0.0 if since is None else (utc_now() - since).total_seconds()

        async def tell(answer: str) -> None:
            nonlocal since
            async with self._parts.database.transaction() as connection:
                work_process = await lock(connection, self._call.work_process_id, attempt=self._call.attempt)
                if work_process.superseded:
                    raise _Superseded
                if work_process.status in _BEFORE_CALCULATING:
                    await self._calculating(connection, work_process, [])
                since = await service_health.step_waits(connection, row, target, answer, since)

        try:
            await self._parts.service_health.until_healthy(
                target, row["licence_key"], step=self._call.step, within=row["availability_timeout"] - waited, tell=tell
            )
        except _Superseded:
            return StepRan(outcome=Outcome.SUPERSEDED)
        self._healthy = True
        return None

    async def _calculating(
        self, connection: Connection, work_process: LockedWorkProcess, begun: Sequence[NewEvent]
    ) -> None:
        now = utc_now()
        also: list[NewEvent] = []
        values: dict[str, Any] = {"run_id": activity.info().workflow_run_id, **attempts.begun(work_process)}
        if work_process.started_at is None:  # no agents were reserved, so the attempt starts here
            values["started_at"] = now
            also.append(
                task_events.started(
                    work_process.id,
                    work_process.type_name,
                    work_process.priority,
                    float(work_process.priority),
                    work_process.attempt - 1,
                    now,
                )
            )
        await change(
            connection,
            work_process,
            WorkProcessStatus.CALCULATING,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=self._call.transition,
            values=values,
            also=[*also, *begun],
        )

    async def _save_job(self, context: StepContext, job_id: str) -> bool:
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, self._call.work_process_id)
            stored = None if work_process.superseded else await step_requests.pending(connection, self._row, job_id)
        if stored is None:
            return False
        context.job_id = stored
        self._status = ServiceRequestStatus.PENDING
        return True

    async def _end(
        self,
        status: ServiceRequestStatus,
        *,
        response: Any = None,
        failure: Failure | None = None,
        skips: Sequence[str] = (),
    ) -> StepRan:
        if failure is not None:
            failure = failure.model_copy(update={"text": _storable(failure.text)})
        # Shielded: an answer that has come is stored, also when the worker is just being stopped.
        return await asyncio.shield(self._store_end(status, response, failure, skips)) or await self._ended_before()

    async def _ended_before(self) -> StepRan:
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, self._call.work_process_id, attempt=self._call.attempt)
            row = await step_requests.read(connection, self._call.service_request_id)
            ended = await _ended(connection, work_process, row)
        assert ended is not None, "what has not ended can be ended"
        return ended

    async def _store_end(
        self, status: ServiceRequestStatus, response: Any, failure: Failure | None, skips: Sequence[str]
    ) -> StepRan | None:
        """None: a cancel came first, or another try of this step, which was taken for dead and went on."""
        alone = not skips and self._map is None and self._target is None
        async with self._parts.database.statement() if alone else self._parts.database.transaction() as connection:
            if not await step_requests.end(
                connection, self._row, status, before=self._status, response=response, failure=failure
            ):
                return None
            if self._row["dispatched_at"] is None and self._target is not None and failure is not None:
                await service_health.step_waits_no_more(connection, self._row)
            skipped = await step_requests.skip(connection, self._row, skips) if skips else []
            if self._map is not None and failure is None:
                work_process = await lock(connection, self._call.work_process_id)
                async with beating():  # a map may be large
                    assert work_process.yard_id is not None, "the dispatch refuses map servers without a yard"
                    await map_objects.change_map(connection, work_process.yard_id, self._map)
                updated = _map_updated(work_process, self._call.step, self._map)
                await events.append_for_mission(connection, work_process.id, [updated])
        return _ran(self._row, response, failure, skipped)


async def _ended(connection: Connection, work_process: LockedWorkProcess, row: Any) -> StepRan | None:
    """How the step ended already, if it did; the mission is locked."""
    if work_process.superseded or row["status"] == ServiceRequestStatus.CANCELED:
        return StepRan(outcome=Outcome.SUPERSEDED)
    if row["status"] not in SERVICE_REQUEST_ENDED:
        return None
    failure = None if row["failure"] is None else Failure.model_validate(row["failure"])
    return _ran(row, row["response"], failure, await step_requests.skipped(connection, row))


def _unfit_for_the_store(response: Any) -> str:
    """Why PostgreSQL could not keep this answer, or nothing."""
    if too_deep(response):
        return f"is nested deeper than {MAX_DEPTH} levels"
    try:
        text = json.dumps(response, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is no text"
    except (TypeError, ValueError, RecursionError) as error:
        return f"cannot be stored as JSON: {error}"
    if "\\u0000" in text and _NUL.search(text):
        return "contains the character NUL (\\u0000), which cannot be stored"
    return ""


def _storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep: NUL and halves of surrogate pairs."""
    return text.replace("\0", "?").encode(errors="replace").decode()


def _ran(row: Any, response: Any, failure: Failure | None, skipped: list[str]) -> StepRan:
    if failure is not None:
        return StepRan(outcome=Outcome.FAILED, failure=failure)
    # The results of a map server or a storage server are no assignments.
    plans = row["service_class"] in (None, ServiceDomain.ASSIGNMENT_PLANNER)
    has_results = plans and isinstance(response, dict) and _plans_something(response)
    return StepRan(outcome=Outcome.DONE, has_results=has_results, skipped=skipped)


def _plans_something(response: Mapping[str, Any]) -> bool:
    # `false`, 0 and "" are not nothing but wrong, which whoever reads the results says.
    return any(response.get(name) not in (None, [], {}) for name in ("results", "result"))


def _map_updated(work_process: LockedWorkProcess, step: str, change: MapChange) -> NewEvent:
    updated = YardMapUpdated(
        yard_id=work_process.yard_id,
        yard_uid=work_process.yard_uid,
        action=Action.CREATED if change.objects else Action.UPDATED,
        map_objects=len(change.objects),
        step=step,
        changed=sorted(change.yard),
        replaced=change.replaces,
    )
    return event(updated, source=EventSource.MISSION_WORKER, actor=MUSTER)


def _request(row: Any, dependencies: Sequence[Mapping[str, Any]]) -> Any:
    """What the service gets as `request`: the mission's data, with the recipe's settings if it has any.

    An answer that the step depends on may put something else in their place.
    """
    data = row["data"]
    if row["settings"] is not None:
        data = (data if isinstance(data, dict) else {"data": data}) | {"_settings": row["settings"]}
    return next_request(row["step"], (dependency["response"] for dependency in dependencies), data)
