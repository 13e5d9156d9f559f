"""The conversation with a service: asked once, polled until it has an answer, told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from activities import microservice as microservice_module
from activities.activity_types import Service
from activities.microservice import cancel_job, job_url, microservice
from missions.errors import FailureCode, PlanningFailed
from muster.testing import Answer, FakeStepContext, never_answers, run_activity_type

INPUT = {"service_type": "drive"}
URL = "http://planner/plan/"


class FakePlanner:
    """Answers in the order given; the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.headers: list[httpx.Headers] = []
        self.timeouts: list[dict[str, float]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, str(request.url)))
        self.headers.append(request.headers)
        self.timeouts.append(request.extensions["timeout"])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def context(planner: Answer, **fields: Any) -> FakeStepContext:
    return FakeStepContext(planner, service=Service(URL, "key", False, "Assignment planner"), **fields)


async def test_pending_job_is_saved_then_polled() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7}, {"status": "pending"}, {"results": []})
    step = context(planner)
    assert await run_activity_type(microservice, INPUT, step) == {"results": []}
    assert step.saved_jobs == ["7"]
    assert planner.asked == [("POST", URL), ("GET", f"{URL}7"), ("GET", f"{URL}7")]
    assert {headers["x-api-key"] for headers in planner.headers} == {"key"}


@pytest.mark.parametrize(
    ("url", "polled"),
    [
        ("http://planner/plan/", "http://planner/plan/a%2Fb:1"),
        ("http://planner/plan", "http://planner/plan/a%2Fb:1"),
        ("http://planner:9000", "http://planner:9000/a%2Fb:1"),
        ("http://planner/plan?job=", "http://planner/plan?job=a%2Fb:1"),
        ("http://planner/plan?for=muster&job", "http://planner/plan?for=muster&joba%2Fb:1"),
        ("http://planner/job-", "http://planner/job-a%2Fb:1"),
    ],
)
def test_job_is_asked_for_where_helyos_asks_for_it(url: str, polled: str) -> None:
    assert job_url(url, "a/b:1") == polled


async def test_later_try_polls_the_job_and_posts_nothing() -> None:
    planner = FakePlanner({"results": []})
    await run_activity_type(microservice, INPUT, context(planner, job_id="7"))
    assert planner.asked == [("GET", f"{URL}7")]


async def test_job_of_a_mission_cancelled_meanwhile_is_stopped_at_once() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7}, {})
    with pytest.raises(asyncio.CancelledError):
        await run_activity_type(microservice, INPUT, context(planner, canceled=True))
    assert planner.asked == [("POST", URL), ("DELETE", f"{URL}7")]


async def cancelled(step: FakeStepContext, when: Callable[[], bool]) -> None:
    """Run the step, cancel it when it has come so far, and see it end as cancelled within a second."""
    running = asyncio.ensure_future(run_activity_type(microservice, INPUT, step))
    while not when():  # noqa: ASYNC110  # the fakes have no event for it
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 1)


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), httpx.Response(503)])
async def test_cancel_ends_the_pause_between_two_tries_at_once(answer: Any) -> None:
    planner = FakePlanner(answer)
    await cancelled(context(planner), lambda: len(planner.asked) == 2)
    assert len(planner.asked) == 2


@pytest.mark.parametrize("fails", [False, True])
async def test_cancel_while_the_service_is_asked_waits_for_its_answer_once(fails: bool) -> None:
    asked = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)  # how long the service takes
        return httpx.Response(503 if fails else 200, json={"status": "pending", "request_id": 7})

    step = context(slow)
    await cancelled(step, lambda: asked == 1)
    assert step.saved_jobs == ([] if fails else ["7"])
    assert asked == 1


async def test_cancel_does_not_wait_for_ever_for_a_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microservice_module, "_GRACE", 0.1)
    asked = False

    async def hangs(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked = True
        return await never_answers(request)

    await cancelled(context(hangs), lambda: asked)


async def test_job_that_another_try_stored_first_is_polled_instead() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 8}, {"results": []})
    step = context(planner)

    async def save_job(job: str) -> bool:
        step.job_id = "7"
        return True

    step.save_job = save_job
    await run_activity_type(microservice, INPUT, step)
    assert planner.asked == [("POST", URL), ("GET", f"{URL}7")]


async def test_answer_that_came_during_an_outage_longer_than_the_time_out_is_fetched() -> None:
    planner = FakePlanner({"results": []})
    step = context(planner, job_id="7")
    step.elapsed = 3600
    assert await run_activity_type(microservice, INPUT, step) == {"results": []}


async def test_service_may_take_the_steps_whole_time_for_its_answer_but_not_for_a_poll() -> None:
    planner = FakePlanner({"status": "pending", "request_id": 7}, {"results": []})
    await run_activity_type(microservice, INPUT, context(planner, timeout=300))
    post, poll = planner.timeouts
    assert post["read"] == pytest.approx(300, abs=5)
    assert post["connect"] == poll["connect"] == poll["read"] == 30


async def test_jobs_id_is_quoted_in_its_address() -> None:
    planner = FakePlanner({"results": []})
    await run_activity_type(microservice, INPUT, context(planner, job_id="a/b?c"))
    assert planner.asked == [("GET", f"{URL}a%2Fb%3Fc")]


async def test_a_colon_in_a_jobs_id_stays_so_that_the_key_may_be_one() -> None:
    planner = FakePlanner({"status": "ready", "results": []})
    await run_activity_type(microservice, INPUT, context(planner, job_id="work-process-ab-7:1:plan"))
    assert planner.asked == [("GET", f"{URL}work-process-ab-7:1:plan")]


async def test_service_that_hangs_does_not_hold_up_its_own_cancel() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(never_answers)) as http:
        await asyncio.wait_for(cancel_job(http, URL, None, "7"), 4)


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
        (httpx.DecodingError("no gzip"), "cannot be read"),
        ({"status": "pending", "request_id": "a\0"}, "no printable text"),
        ({"status": "pending", "request_id": "a\nb"}, "no printable text"),
        ({"status": "pending", "request_id": "."}, "another place"),
        ({"status": "pending", "request_id": ".."}, "another place"),
        ({"status": "pending"}, "without a request_id"),
        ({"status": "failed", "why": "no way"}, "no way"),
    ],
)
async def test_bad_answer_fails_naming_step_and_url(answer: Any, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says) as failed:
        await run_activity_type(microservice, INPUT, context(FakePlanner(answer)))
    assert "'step'" in failed.value.failure.text
    assert failed.value.failure.url == URL


@pytest.mark.parametrize("size", [100, 101])
async def test_an_answer_above_the_limit_fails_the_step_naming_the_limit(size: int) -> None:
    answer = httpx.Response(200, content=b'{"results": []}'.ljust(size))
    step = context(FakePlanner(answer))
    step.settings = step.settings.model_copy(update={"max_response_bytes": 100})
    if size == 100:
        assert await run_activity_type(microservice, INPUT, step) == {"results": []}
        return
    with pytest.raises(PlanningFailed, match=r"'step'.* more than 100 bytes .*MUSTER_MAX_RESPONSE_BYTES") as failed:
        await run_activity_type(microservice, INPUT, step)
    assert failed.value.failure.code is FailureCode.PLANNING_FAILED


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
        ({"go": 1}, [{"agent_id": "3", "assignment": {"go": 1}}, {"agent_id": "4", "assignment": {"go": 1}}]),
        ({"results": [{"agent_id": 9, "assignment": {}}]}, [{"agent_id": 9, "assignment": {}}]),
    ],
)
async def test_dummy_service_answers_with_its_request(request_: Any, results: Any) -> None:
    step = FakeStepContext(
        request=request_,
        context={"mission": {"agent_ids": ["3", "4"]}},
        service=Service("", None, True, "Assignment planner"),
    )
    assert (await run_activity_type(microservice, INPUT, step))["results"] == results


@pytest.mark.parametrize(("key", "job"), [("key", "x" * 100_000), ("é", "7"), ("a\nb", "7")])
async def test_cancel_hangs_on_no_address_and_no_key(key: str, job: str) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(FakePlanner({}))) as http:
        await cancel_job(http, URL, key, job)


@pytest.mark.parametrize(("key", "job"), [("key", "x" * 100_000), ("é", "7")])
async def test_a_job_that_cannot_be_asked_for_fails_the_step(key: str, job: str) -> None:
    step = context(FakePlanner({"status": "pending"}), job_id=job)
    step.service = Service(URL, key, False, "Assignment planner")
    with pytest.raises(PlanningFailed, match="cannot be asked"):
        await run_activity_type(microservice, INPUT, step)


@pytest.mark.parametrize("status", [301, 302, 307, 399])
@pytest.mark.parametrize("polled", [False, True])
async def test_redirection_is_not_followed_and_no_answer(status: int, polled: bool) -> None:
    planner = FakePlanner(httpx.Response(status, json={"results": []}, headers={"Location": "http://other/"}))
    with pytest.raises(PlanningFailed, match=f"answered HTTP {status}"):
        await run_activity_type(microservice, INPUT, context(planner, job_id="7" if polled else None))
    assert len(planner.asked) == 1


@pytest.mark.parametrize("levels", [300, 980, 100_000])
async def test_answer_of_many_levels_fails_the_step(levels: int) -> None:
    deep = b'{"status": "failed", "results": ' + b"[" * levels + b"]" * levels + b"}"
    with pytest.raises(PlanningFailed, match="nested deeper than 200 levels"):
        await run_activity_type(microservice, INPUT, context(FakePlanner(httpx.Response(200, content=deep))))


async def test_number_of_thousands_of_digits_is_told_as_such() -> None:
    answer = httpx.Response(200, content=b'{"results": [%s]}' % (b"9" * 5000))
    with pytest.raises(PlanningFailed, match=r"no JSON \(.*digits"):
        await run_activity_type(microservice, INPUT, context(FakePlanner(answer)))


async def test_answer_in_drops_ends_with_the_steps_time() -> None:
    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)  # each drop comes well within the time for one read

    planner = FakePlanner(httpx.Response(200, content=drops()))
    with pytest.raises(PlanningFailed, match=r"does not come to an end") as failed:
        await asyncio.wait_for(run_activity_type(microservice, INPUT, context(planner, timeout=0.3)), 5)
    assert failed.value.failure.code is FailureCode.PLANNER_TIMEOUT
