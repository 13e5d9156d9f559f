"""The shipped contract test: ours keep it, and it catches those that do not."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

import muster.testing
from activities.activity_types import Preset, Service, StepContext, activity_type
from activities.http_notify import http_notify
from activities.microservice import microservice
from missions.errors import MissionError
from muster.testing import check_activity_type, never_answers

PLANNER = Service("http://planner/", "key", False, "Assignment planner")


async def test_http_notify_keeps_the_contract() -> None:
    said = []

    def answer(request: httpx.Request) -> httpx.Response:
        said.append(request)
        return httpx.Response(204)

    notified = await check_activity_type(
        http_notify, good_input={"url": "http://x/hook", "message": "gone"}, bad_input={"url": "x"}, http=answer
    )
    assert notified == {"results": [], "notified": 204}
    assert said[0].headers["idempotency-key"]


async def test_microservice_keeps_the_contract() -> None:
    answer = await check_activity_type(
        microservice,
        good_input={"service_type": "drive"},
        bad_input={"service_type": ""},
        http=lambda request: httpx.Response(200, json={"results": [{"agent_id": 1, "assignment": {}}]}),
        slow_http=lambda request: httpx.Response(200, json={"status": "pending", "request_id": "j"}),
        service=PLANNER,
    )
    assert answer["results"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: int = 0


class Loose(BaseModel):
    n: int = 0


@activity_type("fine")
async def fine(value: Strict, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return {}


@activity_type("fine_and_long", preset=Preset.LONG)
async def fine_and_long(value: Strict, context: StepContext) -> dict[str, Any]:
    """Wait as long as it is told to."""
    for _ in range(value.n):
        context.heartbeat()
        await asyncio.sleep(0.01)
    return {}


async def test_well_behaved_types_keep_the_contract() -> None:
    wrong = {"n": "x"}
    assert await check_activity_type(fine, good_input={}, bad_input=wrong) == {}
    assert await check_activity_type(fine_and_long, good_input={}, bad_input=wrong, slow_input={"n": 10_000}) == {}


async def not_decorated(value: Strict, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return {}


@activity_type("Bad Name")
async def bad_name(value: Strict, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return {}


@activity_type("finish_mission")
async def taken_name(value: Strict, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return {}


@activity_type("no_words")
async def no_words(value: Strict, context: StepContext) -> dict[str, Any]:
    return {}


@activity_type("loose")
async def loose(value: Loose, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return {}


@activity_type("no_dict")
async def no_dict(value: Strict, context: StepContext) -> dict[str, Any]:
    """Do nothing."""
    return None  # type: ignore[return-value]


@activity_type("no_json")
async def no_json(value: Strict, context: StepContext) -> dict[str, Any]:
    """Answer with something that is no JSON."""
    return {"a": {"b": {1, 2}}}


@activity_type("not_a_number")
async def not_a_number(value: Strict, context: StepContext) -> dict[str, Any]:
    """Answer with something that is no JSON."""
    return {"a": [1.0, float("nan")]}


@activity_type("no_assignments")
async def no_assignments(value: Strict, context: StepContext) -> dict[str, Any]:
    """Answer with results that are no assignments."""
    return {"results": [{"agent_id": 1}]}


@activity_type("wrong_order")
async def wrong_order(value: Strict, context: StepContext) -> dict[str, Any]:
    """Answer with an order that does not fit."""
    return {"results": [{"agent_id": 1, "assignment": {}}], "dispatch_order": [[1]]}


@activity_type("mute", preset=Preset.LONG)
async def mute(value: Strict, context: StepContext) -> dict[str, Any]:
    """Heartbeat once, then never again."""
    if value.n:
        context.heartbeat()
        await asyncio.sleep(60)
    return {}


@activity_type("quick", preset=Preset.LONG)
async def quick(value: Strict, context: StepContext) -> dict[str, Any]:
    """Be over before anyone looks."""
    return {}


@activity_type("deaf", preset=Preset.LONG)
async def deaf(value: Strict, context: StepContext) -> dict[str, Any]:
    """Swallow a cancel and go on."""
    for _ in range(value.n):
        context.heartbeat()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    return {}


@activity_type("denies", preset=Preset.LONG)
async def denies(value: Strict, context: StepContext) -> dict[str, Any]:
    """Swallow a cancel and end as if nothing was."""
    with contextlib.suppress(asyncio.CancelledError):
        for _ in range(value.n):
            context.heartbeat()
            await asyncio.sleep(0.05)
    return {}


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (not_decorated, "not decorated"),
        (bad_name, "should be lower case"),
        (taken_name, "one of Muster's own"),
        (no_words, "needs a docstring"),
        (loose, "accepts an unknown field"),
        (no_dict, "returned None"),
        (no_json, r"returned a\.b: it is a set"),
        (not_a_number, r"returned a\.1: it is no finite number"),
        (mute, r"call context\.heartbeat\(\)"),
        (quick, "ended at once"),
        (deaf, "still runs 0.2 s after it was cancelled"),
        (denies, "swallowed its cancel"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_breach_is_caught(function: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muster.testing, "_HEARTBEAT", 0.3)
    with pytest.raises(AssertionError, match=says):
        await check_activity_type(
            function, good_input={}, bad_input={"n": "x"}, slow_input={"n": 20}, cancel_within=0.2
        )


async def test_input_that_should_be_refused_and_is_not_is_caught() -> None:
    with pytest.raises(AssertionError, match="accepts bad_input"):
        await check_activity_type(fine, good_input={}, bad_input={"n": 1})


@pytest.mark.parametrize("function", [no_assignments, wrong_order], ids=lambda function: function.__name__)
async def test_results_that_no_mission_could_use_are_caught(function: Any) -> None:
    with pytest.raises(MissionError, match="results"):
        await check_activity_type(function, good_input={}, bad_input={"n": "x"})


async def test_call_that_hangs_is_cancelled() -> None:
    await check_activity_type(
        http_notify,
        good_input={"url": "http://x/"},
        bad_input={},
        http=lambda request: httpx.Response(200),
        slow_http=never_answers,
    )
