"""What needs the broker starts when that is there, and a broker that will never do ends the worker."""

import asyncio

import pytest

from fleet import late_start as module
from fleet.bus import AgentsRefused
from fleet.late_start import late_start, until_stopped
from missions.errors import PartUnavailable


@pytest.fixture(autouse=True)
def tries_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRY_AGAIN", 0.01)


class Start:
    """Fails as it is told, then succeeds."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.started = False

    async def __call__(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.started = True


AWAY = PartUnavailable("RabbitMQ", "gone")


async def test_what_can_start_is_started_by_the_first_try() -> None:
    start = Start()
    async with late_start("it", start) as starting:
        assert starting.waits == "it waits: it is tried for the first time"
        assert await starting.first_try()
        assert starting.waits is None
    assert start.started


async def test_it_waits_for_the_broker_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    start = Start(AWAY, AWAY)
    async with late_start("the intake", start) as starting:
        assert not await starting.first_try()
        assert starting.waits == "the intake waits: RabbitMQ does not answer: gone"
        await asyncio.wait_for(starting.done, 5)
        assert starting.waits is None
    assert start.started
    assert "the intake waits, and tries again in 0.01 s: RabbitMQ does not answer" in caplog.text


async def test_a_refusal_ends_it_at_once_or_later() -> None:
    async with late_start("it", Start(AgentsRefused("no"))) as starting:
        with pytest.raises(AgentsRefused):
            await starting.first_try()
    async with late_start("it", Start(AWAY, AgentsRefused("no"))) as late, late_start("other", Start()) as other:
        assert not await late.first_try()
        with pytest.raises(AgentsRefused):
            await asyncio.wait_for(until_stopped(asyncio.Event(), [other, late]), 5)


async def test_worker_runs_until_it_is_stopped_whether_all_is_started_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRY_AGAIN", 60)
    for start in (Start(), Start(AWAY)):
        stop = asyncio.Event()
        async with late_start("it", start) as starting:
            running = asyncio.create_task(until_stopped(stop, [starting]))
            await starting.first_try()
            await asyncio.sleep(0)
            assert not running.done()
            stop.set()
            await asyncio.wait_for(running, 5)
