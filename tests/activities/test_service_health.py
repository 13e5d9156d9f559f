"""What a worker remembers of the health of services."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities import service_health as module
from activities.service_health import ServiceHealth
from missions.errors import PlanningFailed
from missions.service_health import Health, HealthTarget
from settings import Settings
from store.connection import Connection
from store.database import Database

TARGET = HealthTarget(1, "http://planner:9000/plan/", "/health")


class Clinic:
    """Answers health checks, and counts them; what is stored goes nowhere."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any, slots: int = 200) -> None:
        self.answers, self.asked, self.stored = list(answers), list[httpx.Request](), list[bool]()

        async def note(connection: Connection, target: HealthTarget, health: Health) -> None:
            self.stored.append(health.healthy)

        monkeypatch.setattr(module.service_health, "note", note)
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.health = ServiceHealth(
            Settings(planner_poll_initial=0.01, max_concurrent_steps=slots), cast(Database, self), http
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return httpx.Response(200)
        return httpx.Response(answer, text="words")

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("/health", "http://planner:9000/health"),
        ("health", "http://planner:9000/plan/health"),
        ("http://other/h", "http://other/h"),
    ],
)
def test_path_is_joined_to_the_service_address(endpoint: str, url: str) -> None:
    assert HealthTarget(1, "http://planner:9000/plan/", endpoint).url == url


async def test_many_steps_ask_as_often_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic(monkeypatch, 0.02)
    found = await asyncio.gather(*(clinic.health.check(TARGET, "key") for _ in range(20)))
    assert {health.healthy for health in found} == {True}
    assert len(clinic.asked) == len(clinic.stored) == 1
    assert clinic.asked[0].headers["x-api-key"] == "key"
    assert clinic.health.known_healthy(TARGET)


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        ("/health", "key"),
        ("http://planner:9000/h", "key"),
        ("http://planner/h", None),
        ("https://planner:9000/h", None),
        ("http://other:9000/h", None),
    ],
)
async def test_a_services_key_goes_to_no_other_host(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, key: str | None
) -> None:
    clinic = Clinic(monkeypatch, 200)
    await clinic.health.check(HealthTarget(1, TARGET.service_url, endpoint), "key")
    assert clinic.asked[0].headers.get("x-api-key") == key


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (503, "answered HTTP 503: words"),
        (302, "answered HTTP 302: words"),
        (httpx.ConnectError("refused"), "did not answer (ConnectError: refused)"),
        (60.0, "gave no answer within 0.05 s"),
    ],
)
async def test_what_is_not_healthy(monkeypatch: pytest.MonkeyPatch, answer: Any, says: str) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.05)
    clinic = Clinic(monkeypatch, answer)
    health = await clinic.health.check(TARGET, None)
    assert (health.healthy, health.text) == (False, says)
    assert not clinic.health.known_healthy(TARGET)


async def test_each_new_answer_is_told_until_it_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UNHEALTHY_FOR", 0.0)
    clinic, told = Clinic(monkeypatch, 503, 503, 500, 200), list[str]()

    async def tell(text: str) -> None:
        told.append(text)

    await clinic.health.until_healthy(TARGET, None, step="plan", within=5, tell=tell)
    assert told == ["answered HTTP 503: words", "answered HTTP 500: words"]
    with pytest.raises(PlanningFailed, match="not healthy within"):
        await Clinic(monkeypatch, 503).health.until_healthy(TARGET, None, step="plan", within=0.05, tell=tell)


async def test_waiting_steps_leave_half_of_the_slots_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clinic, told = Clinic(monkeypatch, 503, slots=4), list[str]()

    async def tell(text: str) -> None:
        told.append(text)

    async def wait(within: float) -> None:
        await clinic.health.until_healthy(TARGET, None, step="plan", within=within, tell=tell)

    ends = await asyncio.gather(*(wait(0.3) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [PlanningFailed, PlanningFailed, ApplicationError]
    assert len(told) == 3, "also the mission without a slot shows what it waits for"
    with pytest.raises(PlanningFailed):  # their slots are free again
        await wait(0.05)
