"""The one who asks all the time."""

import asyncio
import contextlib
import time
from typing import Any, cast

import httpx

from faults.load.asker import Asker
from faults.load.client import Client, Treatment


class Api:
    """Answers each request so, or not at all."""

    def __init__(self, status: int | None) -> None:
        self.treatment, self._status = Treatment(), status

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        return {"id": 7}

    async def once(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        return None if self._status is None else httpx.Response(self._status, text="{}")


async def asked(status: int | None) -> tuple[Asker, Api]:
    """One that has asked for a short time."""
    api = Api(status)
    asker = Asker(cast(Client, api))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asker.run(), 0.1)
    return asker, api


async def test_it_tells_whether_it_was_answered() -> None:
    began = time.monotonic()
    asker, api = await asked(503)
    assert await asker.was_answered(began, time.monotonic())
    assert not await asker.was_answered(time.monotonic(), time.monotonic() + 1)
    assert api.treatment.wrong == []


async def test_no_answer_is_none() -> None:
    asker, _ = await asked(None)
    assert not await asker.was_answered(0, time.monotonic())


async def test_an_answer_that_nobody_would_give_is_wrong() -> None:
    _, api = await asked(404)
    assert api.treatment.wrong
