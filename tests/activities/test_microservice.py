"""The conversation with a service: asked once, polled until it has an answer, told to stop."""

import asyncio
from typing import Any

import httpx
import pytest

from activities.activity_types import Service
from activities.microservice import microservice
from missions.errors import FailureCode, PlanningFailed
from muster.testing import FakeStepContext, run_activity_type

INPUT = {"service_type": "drive"}
URL = "http://planner/plan/"


class FakePlanner:
    """Answers in the order given; the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, str(request.url)))
        self.headers.append(request.headers)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def context(planner: FakePlanner, **fields: Any) -> FakeStepContext:
    return FakeStepContext(planner, service=Service(URL, "key", False, "Assignment planner"), **fields)


async def test_pending_job_is_saved_then_polled() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7}, {"status": "pending"}, {"results": []})
    step = context(planner)
    assert await run_activity_type(microservice, INPUT, step) == {"results": []}
    assert step.saved_jobs == ["7"]
    assert planner.asked == [("POST", URL), ("GET", f"{URL}7"), ("GET", f"{URL}7")]
    assert {headers["x-api-key"] for headers in planner.headers} == {"key"}


async def test_later_try_polls_the_job_and_posts_nothing() -> None:
    planner = FakePlanner({"results": []})
    await run_activity_type(microservice, INPUT, context(planner, job_id="7"))
    assert planner.asked == [("GET", f"{URL}7")]


async def test_job_of_a_mission_cancelled_meanwhile_is_stopped_at_once() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7}, {})
    with pytest.raises(asyncio.CancelledError):
        await run_activity_type(microservice, INPUT, context(planner, canceled=True))
    assert planner.asked == [("POST", URL), ("DELETE", f"{URL}7")]


async def test_fault_of_the_way_is_tried_again_under_the_same_key() -> None:
    planner = FakePlanner(httpx.ConnectError("refused"), httpx.Response(503), {"results": []})
    await run_activity_type(microservice, INPUT, context(planner))
    assert len(planner.asked) == 3
    assert len({headers["idempotency-key"] for headers in planner.headers}) == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(500, text="broken"), "HTTP 500: broken"),
        (httpx.Response(200, text="<html>"), "no JSON"),
        (httpx.Response(200), "empty body"),
        ({"status": "pending"}, "without a request_id"),
        ({"status": "failed", "why": "no way"}, "no way"),
    ],
)
async def test_bad_answer_fails_naming_step_and_url(answer: Any, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says) as failed:
        await run_activity_type(microservice, INPUT, context(FakePlanner(answer)))
    assert "'step'" in failed.value.failure.text
    assert failed.value.failure.url == URL


async def test_service_that_never_has_an_answer_runs_into_the_steps_time_out() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7})
    with pytest.raises(PlanningFailed, match=r"no result within 0\.2 s") as failed:
        await run_activity_type(microservice, INPUT, context(planner, timeout=0.2))
    assert failed.value.failure.code is FailureCode.PLANNER_TIMEOUT


async def test_step_without_a_service_says_which_type_is_missing() -> None:
    with pytest.raises(PlanningFailed, match="no service of type 'drive'"):
        await run_activity_type(microservice, INPUT, FakeStepContext())


@pytest.mark.parametrize(
    ("request_", "results"),
    [
        ({"go": 1}, [{"agent_id": 3, "assignment": {"go": 1}}, {"agent_id": 4, "assignment": {"go": 1}}]),
        ({"results": [{"agent_id": 9, "assignment": {}}]}, [{"agent_id": 9, "assignment": {}}]),
    ],
)
async def test_dummy_service_answers_with_its_request(request_: Any, results: Any) -> None:
    step = FakeStepContext(
        request=request_, context={"mission_agent_ids": [3, 4]}, service=Service("", None, True, "Assignment planner")
    )
    assert (await run_activity_type(microservice, INPUT, step))["results"] == results
