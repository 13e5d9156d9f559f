"""The missions as the database has them, read beside Muster."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from faults.invariants.repairs import Look
from missions.transitions import WORK_PROCESS_ENDED

_PAUSE = 0.25
# The server is being killed, started, or has no connection left.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # it was ended in the middle of a statement
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
_ENDED = [status.value for status in WORK_PROCESS_ENDED]


PHASES = ("waiting", "reserving", "polling the planner", "executing", "cancelling", "mission file")
_PHASES = """
    SELECT count(*), CASE
        WHEN work_process_type_name = 'mission-file' THEN 'mission file'
        WHEN status = 'canceling' THEN 'cancelling'
        WHEN status = 'calculating' THEN 'polling the planner'
        WHEN status NOT IN ('dispatched', 'preparing resources') THEN 'executing'
        WHEN EXISTS (SELECT FROM reservations r WHERE r.work_process_id = w.id) THEN 'reserving'
        ELSE 'waiting' END AS phase
    FROM work_processes w WHERE status <> ALL($1) AND status <> 'draft' GROUP BY phase
"""


@dataclass(frozen=True)
class End:
    """How a mission ended."""

    status: str
    code: str
    text: str


@dataclass(frozen=True)
class Trouble:
    """A mission that says that it needs a person."""

    mission: int
    code: str
    text: str


@dataclass
class Watch:
    """Looks at the database again and again, by itself, whether it is there or not."""

    url: str
    ends: dict[int, End] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)
    """How many open missions there are in each of `PHASES`."""
    troubles: list[Trouble] = field(default_factory=list)
    repairs: Look = field(default_factory=lambda: Look(time.time(), {}))
    """Those until now, all kinds counted."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(*_AWAY):
                connection = await asyncpg.connect(self.url, timeout=5, command_timeout=5)
                try:
                    while True:
                        await self._look(connection)
                        await asyncio.sleep(_PAUSE)
                finally:
                    connection.terminate()
            await asyncio.sleep(_PAUSE)

    async def end_of(self, mission: int, timeout: float) -> End:
        """How it ends; raises TimeoutError."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: mission in self.ends)
        return self.ends[mission]

    @property
    def open(self) -> int:
        """How many missions are open."""
        return sum(self.phases.values())

    async def _look(self, connection: Any) -> None:
        ended = await connection.fetch(
            "SELECT id, status, failure->>'code' AS code, failure->>'text' AS text FROM work_processes"
            " WHERE status = ANY($1) AND id <> ALL($2)",
            _ENDED,
            list(self.ends),
        )
        phases = await connection.fetch(_PHASES, _ENDED)
        troubles = await connection.fetch(
            "SELECT w.id, t.value FROM work_processes w, jsonb_array_elements(w.attention) t WHERE w.status <> ALL($1)",
            _ENDED,
        )
        repairs = await connection.fetch("SELECT kind, count FROM repairs")
        async with self._news:
            self.repairs = Look(time.time(), {row["kind"]: row["count"] for row in repairs})
            self.ends |= {row["id"]: End(row["status"], row["code"] or "", row["text"] or "") for row in ended}
            self.phases = {row["phase"]: row["count"] for row in phases}
            self.troubles = [_trouble(row["id"], row["value"]) for row in troubles]
            self._news.notify_all()


def _trouble(mission: int, value: Any) -> Trouble:
    entry = json.loads(value)
    return Trouble(mission, entry["code"], entry["text"])
