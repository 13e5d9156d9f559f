"""Tests for activity types: the contract that each has to keep, and a context to run one with.

    async def test_it_keeps_the_contract():
        await check_activity_type(open_gate, good_input={"gate": "north"}, bad_input={"gate": ""}, http=answer)

No server is needed: the type runs in the engine's own test environment, with the HTTP answers that the test gives.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from temporalio.testing import ActivityEnvironment

from activities.activity_types import ACTIVITY_TYPE_MARK, ActivityType, Preset, Run, Service, StepContext
from missions.contracts import Activity
from missions.dispatch_order import dispatch_groups
from missions.errors import InvalidInput
from missions.planner_answers import planned_assignments
from missions.requests import find_unstorable
from settings import Settings

__all__ = ["Answer", "FakeStepContext", "check_activity_type", "never_answers", "run_activity_type"]

Answer = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
"""Answers the type's HTTP requests; may be async."""

_NO_AGENTS: dict[str, Any] = {
    "mission": {"id": 1, "agent_ids": [], "agent_uuids": []},
    "agents": [],
    "orchestration": {"current_step": "step", "next_step": []},
}

# With the engine's heartbeat time-out of 4 s there is one second for the way.
_HEARTBEAT = 3.0


async def never_answers(request: httpx.Request) -> httpx.Response:
    """An `Answer`: a service that hangs."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


class FakeStepContext(StepContext):
    """A step's context without a mission: give what the type looks at, the rest is made up."""

    def __init__(
        self,
        http: Answer = never_answers,
        *,
        request: Any = None,
        context: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        service: Service | None = None,
        job_id: str | None = None,
        timeout: float = 30.0,
        canceled: bool = False,
    ) -> None:
        self.saved_jobs: list[str] = []
        """What the type saved with `save_job`."""

        async def save_job(job: str) -> bool:
            self.saved_jobs.append(job)
            return not canceled

        super().__init__(
            work_process_id=1,
            attempt=1,
            step="step",
            request={} if request is None else request,
            context=_NO_AGENTS if context is None else context,
            config=config,
            service=service,
            idempotency_key="work-process-test-1:1:step",
            job_id=job_id,
            elapsed=0.0,
            timeout=timeout,
            http=httpx.AsyncClient(transport=httpx.MockTransport(http)),
            settings=Settings(planner_poll_initial=0.01, planner_poll_max=0.05),
            save_job=save_job,
        )


async def run_activity_type(function: Run, step_input: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Run a type once, as a step of a mission would; returns its answer."""
    kind = _kind(function)
    async with context.http:
        answer: dict[str, Any] = await ActivityEnvironment().run(kind.run, kind.read_input("step", step_input), context)
    return answer


async def check_activity_type(
    function: Run,
    *,
    good_input: dict[str, Any],
    bad_input: dict[str, Any],
    http: Answer = never_answers,
    slow_http: Answer = never_answers,
    slow_input: dict[str, Any] | None = None,
    cancel_within: float = 2.0,
    **context: Any,
) -> dict[str, Any]:
    """Put an activity type through the contract; returns what it answers to `good_input`.

    `http` answers its requests; `slow_http` (and `slow_input`) keep it busy, so that it can be cancelled: it must end
    within `cancel_within` seconds. `context`: further fields of FakeStepContext. Raises AssertionError.
    """
    kind = _kind(function)
    _check_description(kind)
    _check_input(kind, good_input, bad_input)
    made = FakeStepContext(http, **context)
    answer = await asyncio.wait_for(run_activity_type(function, good_input, made), made.timeout)
    _check_answer(kind, answer)
    slow = FakeStepContext(slow_http, **context)
    await _check_cancel(kind, good_input if slow_input is None else slow_input, slow, cancel_within)
    return answer


def _kind(function: Run) -> ActivityType:
    kind = getattr(function, ACTIVITY_TYPE_MARK, None)
    assert isinstance(kind, ActivityType), f"{function} is not decorated with @activity_type"
    return kind


def _check_description(kind: ActivityType) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,99}", kind.name), (
        f"the name {kind.name!r} should be lower case, with digits and underscores: recipes say `uses: {kind.name}`"
    )
    assert kind.name not in set(Activity), f"{kind.name!r} is one of Muster's own activities; take another name"
    assert kind.description, f"{kind.name!r} needs a docstring; its first line is shown to those who write recipes"


def _check_input(kind: ActivityType, good: dict[str, Any], bad: dict[str, Any]) -> None:
    schema = kind.input_schema()
    assert schema.get("type") == "object", f"the input of {kind.name!r} must be an object, not {schema.get('type')!r}"
    assert find_unstorable(good) is None, "good_input must be JSON: it comes from a recipe"
    kind.read_input("step", good)
    unknown = {**good, "no_such_field": 1}
    for wrong, what in ((bad, "bad_input"), (unknown, "an unknown field (set extra='forbid' in its model_config)")):
        assert _is_refused(kind, wrong), f"{kind.name!r} accepts {what}: {wrong}; a recipe with it could be saved"


def _is_refused(kind: ActivityType, value: dict[str, Any]) -> bool:
    try:
        kind.read_input("step", value)
    except InvalidInput:
        return True
    return False


def _check_answer(kind: ActivityType, answer: object) -> None:
    assert isinstance(answer, dict), (
        f"{kind.name!r} returned {answer!r}; return a dict, {{}} if there is nothing to say"
    )
    bad = find_unstorable(answer)
    assert bad is None, f"{kind.name!r} returned {bad.path}: it {bad.detail}; {bad.remedy}" if bad else ""
    planned = planned_assignments(answer, step="step", url=kind.name)  # raises what the mission would say
    dispatch_groups([entry.assignment_order for entry in planned], answer.get("dispatch_order"), step="step")


async def _check_cancel(kind: ActivityType, value: dict[str, Any], context: StepContext, within: float) -> None:
    environment = ActivityEnvironment()
    beats: asyncio.Queue[None] = asyncio.Queue()
    environment.on_heartbeat = lambda *details: beats.put_nowait(None)
    async with context.http:
        running = asyncio.ensure_future(environment.run(kind.run, kind.read_input("step", value), context))
        try:
            is_long = kind.preset_name is Preset.LONG
            if is_long:
                await _check_heartbeats(kind, running, beats)
            else:
                await asyncio.wait({running}, timeout=0.1)  # it may be over by then: a call can be short
            environment.cancel()
            await asyncio.wait({running}, timeout=within)
            assert running.done(), f"{kind.name!r} still runs {within:g} s after it was cancelled"
            swallowed = is_long and not running.cancelled() and running.exception() is None
            assert not swallowed, f"{kind.name!r} swallowed its cancel; let asyncio.CancelledError pass"
        finally:
            running.cancel()
            await asyncio.wait({running}, timeout=1)


async def _check_heartbeats(kind: ActivityType, running: "asyncio.Future[Any]", beats: "asyncio.Queue[None]") -> None:
    for _ in range(2):
        beat = asyncio.ensure_future(beats.get())
        await asyncio.wait({running, beat}, timeout=_HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        beaten = beat.done()
        beat.cancel()
        assert not running.done(), f"{kind.name!r} ended at once; give slow_http or slow_input to keep it busy"
        assert beaten, f"{kind.name!r} is LONG: call context.heartbeat() at least each {_HEARTBEAT:g} s"
