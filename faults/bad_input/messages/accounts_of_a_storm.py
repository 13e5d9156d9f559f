"""Whether each bad message is accounted for: sent against counted, letters against the queue, rows against nothing."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from benchmarks.missions import Member
from faults.bad_input.messages.fates import Fate
from faults.bad_input.messages.stage import Stage
from faults.bad_input.messages.storm import Storm
from store import message_counts

_OUTCOMES = {Fate.DEAD: message_counts.DEAD_LETTERED, Fate.REFUSED: "refused_checkin", Fate.LATE: message_counts.LATE}
_LOSSY = ("visualization", "update")
_STILL = 30.0
"""Seconds without any change after which nothing more is to come."""
# What missions and the good messages write; `agent_details` has a row for each agent, `message_counts` for each reason.
_MAY_GROW = {
    "agent_details",
    "assignments",
    "events",
    "message_counts",
    "reservation_request_agents",
    "reservation_requests",
    "reservations",
    "service_requests",
    "slots",
    "wakeups",
    "work_processes",
    "role_heartbeats",
}
_MAY_SAY = {"agent.status_changed", "assignment.late_report"}


@dataclass
class Accounts:
    """How things stood before the storm."""

    stage: Stage
    counted: Counter[tuple[str, str]]
    rows: dict[str, int]
    last_event: int
    grown: str = ""

    @classmethod
    async def open(cls, stage: Stage) -> "Accounts":
        """Take note of how things stand."""
        async with stage.database.statement() as connection:
            last_event = int(await connection.scalar(text("SELECT coalesce(max(id), 0) FROM events")))
        return cls(stage, await _counts(stage), await _rows(stage), last_event)

    async def settled(self, storm: Storm) -> None:
        """Wait until all that is expected has been counted, or nothing has changed for long."""
        expected = {_OUTCOMES[fate]: number for fate, number in storm.tally.fates.items() if fate in _OUTCOMES}
        before: object = None
        changed_at = time.monotonic()
        while time.monotonic() < changed_at + _STILL:
            found: Counter[str] = Counter()
            for (outcome, _), number in (await _counts(self.stage) - self.counted).items():
                found[outcome] += number
            now = (found, len(self.stage.answers), storm.watched.letters.total())
            if all(found[outcome] >= number for outcome, number in expected.items()):
                await asyncio.sleep(1.0)  # what would be one too many
                return
            if now != before:
                before, changed_at = now, time.monotonic()
            await asyncio.sleep(0.2)

    async def compare(self, storm: Storm) -> list[str]:
        """Everything that does not add up."""
        tally, letters = storm.tally, storm.watched.letters
        counts = await _counts(self.stage) - self.counted
        broken = []
        for fate, outcome in _OUTCOMES.items():
            sent = Counter({reason: number for (one, reason), number in tally.reasons.items() if one is fate})
            found = Counter({reason: number for (one, reason), number in counts.items() if one == outcome})
            broken += _differences(outcome, sent, found)
        broken += [
            f"{number} messages counted as {outcome}, {reason}"
            for (outcome, reason), number in counts.items()
            if outcome not in _OUTCOMES.values()
        ]
        if len(self.stage.answers) != tally.fates[Fate.ANSWERED]:
            broken.append(f"{tally.fates[Fate.ANSWERED]} questions got {len(self.stage.answers)} answers")
        in_full = {key: number for key, number in tally.kept.items() if key[0] not in _LOSSY}
        found_in_full = {key: number for key, number in letters.items() if key[0] not in _LOSSY}
        broken += _differences("dead letters", Counter(in_full), Counter(found_in_full))
        # Of a flood on the lossy queues all are counted, and some of each batch are kept.
        strange = {key for key, number in letters.items() if key[0] in _LOSSY and number > tally.kept[key]}
        broken += [f"more dead letters of {key} than were sent" for key in sorted(strange)]
        return broken + await self._growth()

    async def _growth(self) -> list[str]:
        after = await _rows(self.stage)
        grown = {name: after[name] - number for name, number in self.rows.items() if after[name] > number}
        self.grown = ", ".join(f"{name} {number}" for name, number in sorted(grown.items()))
        broken = [f"table {name} grew by {number} rows" for name, number in grown.items() if name not in _MAY_GROW]
        async with self.stage.database.statement() as connection:
            rows = await connection.execute(_SAID, {"since": self.last_event, "crew": [one.uuid for one in self._crew]})
            broken += [f"{row.number} events {row.type} of {row.who}" for row in rows if row.type not in _MAY_SAY]
        return broken

    @property
    def _crew(self) -> list[Member]:
        return self.stage.crew

    def told(self) -> str:
        """For the report."""
        return f"rows more than before: {self.grown or 'none'}"


def _differences(what: str, sent: Counter[Any], found: Counter[Any]) -> list[str]:
    lost = [f"{what}: {number} of {key} are missing" for key, number in (sent - found).items()]
    return lost + [f"{what}: {number} of {key} too many" for key, number in (found - sent).items()]


async def _counts(stage: Stage) -> Counter[tuple[str, str]]:
    async with stage.database.statement() as connection:
        rows = await connection.execute(_COUNTS)
        return Counter({(row.outcome, row.reason): row.number for row in rows})


async def _rows(stage: Stage) -> dict[str, int]:
    """Rows of each table."""
    found = {}
    async with stage.database.statement() as connection:
        for name in (await connection.scalars(_TABLES)).all():
            found[name] = int(await connection.scalar(text(f'SELECT count(*) FROM "{name}"')))
    return found


_COUNTS = text("SELECT outcome, reason, count AS number FROM message_counts")
_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
_SAID = text(
    """
    SELECT type, actor ->> 'id' AS who, count(*) AS number FROM events
    WHERE id > :since AND actor ->> 'kind' = 'agent' AND NOT actor ->> 'id' = ANY(CAST(:crew AS text[]))
    GROUP BY 1, 2
    """
)
