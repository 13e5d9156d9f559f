"""Someone who asks the API all the time, so that it is asked during each fault, too: riders wait for the database."""

import asyncio
import time
from typing import Any

from faults.load import scripts
from faults.load.client import Client
from faults.stage.crew import YARD, bystanders

EVERY = 0.5
"""Seconds."""


class Asker:
    """Reads a list and writes a draft, which nobody drives; the client judges the answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: list[float] = []
        """When, of what was answered."""

    async def run(self) -> None:
        """Until cancelled. Each request in its time, however long those before it take."""
        body = {"workProcessTypeName": scripts.RECIPE, "status": "draft", "yardUid": YARD, "agentUuids": bystanders()}
        draft = (await self._client.post("/work-processes", body))["id"]
        asking: set[asyncio.Task[None]] = set()
        number = 0
        try:
            while True:
                number += 1
                what = {"data": {"number": number}}
                asking.add(asyncio.ensure_future(self._ask("GET", "/work-processes", params={"limit": 1})))
                asking.add(asyncio.ensure_future(self._ask("PATCH", f"/work-processes/{draft}", json=what)))
                await asyncio.sleep(EVERY)
                done = {task for task in asking if task.done()}
                await asyncio.gather(*done)
                asking -= done
        finally:
            for task in asking:
                task.cancel()

    async def was_answered(self, since: float, until: float) -> bool:
        """Whether anything that it asked between these moments (of `time.monotonic`) has an answer."""
        return any(since <= asked <= until for asked in self._asked)

    async def _ask(self, method: str, path: str, **request: Any) -> None:
        asked = time.monotonic()
        response = await self._client.once(method, path, kept=False, **request)
        if response is None:
            return
        self._asked.append(asked)
        if response.status_code not in (200, 503):
            self._client.treatment.wrong.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
