"""A loop goes on whatever fails in it."""

import asyncio

import pytest

from engine.role_heartbeat import RoleHeartbeat
from fleet.notified_loop import NotifiedLoop
from missions.errors import PartUnavailable
from outlets.led_loop import LedLoop
from store.loops import Loop


class Failing(Loop):
    def __init__(self, *errors: BaseException) -> None:
        super().__init__("the test", pause=0)
        self._errors: list[BaseException] = list(errors)
        self.worked = asyncio.Event()

    async def _turn(self) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.worked.set()


async def test_it_goes_on_after_any_error_and_keeps_the_trace_of_those_that_nobody_expects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = Failing(PartUnavailable("PostgreSQL", "away"), ValueError("a bug"))
    loop.start()
    async with asyncio.timeout(5):
        await loop.worked.wait()
    await loop.stop()
    assert [(record.levelname, record.exc_info is None) for record in caplog.records] == [
        ("WARNING", True),
        ("ERROR", False),
    ]


async def test_a_lost_connection_that_cancels_who_waits_for_it_does_not_end_it() -> None:
    loop = Failing(asyncio.CancelledError())
    loop.start()
    async with asyncio.timeout(5):
        await loop.worked.wait()
    await loop.stop()


@pytest.mark.parametrize("loop", [RoleHeartbeat, NotifiedLoop, LedLoop])
def test_what_must_not_end_unnoticed_is_such_a_loop(loop: type) -> None:
    assert issubclass(loop, Loop)
