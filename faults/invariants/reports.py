"""What agents said of assignments, and what came of it: the first last word counts."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from faults.stage.agents import LAST_WORDS
from faults.stage.journal import by_agent

Line = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """An assignment as the database has it at the end."""

    agent: str
    status: str
    result: Any
    by_muster: bool
    """Muster ended it itself: it gave it up, or its cancel was confirmed by the agent's own state."""
    late_reports: int
    late_events: int
    ends: int
    """Events that tell its end."""


def faults_of(lines: Iterable[Line], kept: Mapping[int, Kept], sent: Iterable[Line] = ()) -> Iterator[str]:
    """What is wrong. `lines`: journals of agents, each in its own order; `sent`: of the tap."""
    journals = by_agent(lines)
    asked = by_agent(line for line in sent if line["what"] == "cancel")
    for assignment, row in kept.items():
        yield from _events_wrong(assignment, row)
        own = journals.get(row.agent, [])
        speaks = any(line["what"] == "says" for line in own)  # devices write down only what they do
        if (
            speaks
            and not row.by_muster
            and not (row.status == "canceled" and _stopped(own, [*own, *asked.get(row.agent, [])], assignment))
        ):
            yield from _other_than_said(assignment, row, own)


def _stopped(own: list[Line], requests: list[Line], assignment: int) -> bool:
    """Whether its agent said that it is idle once it was asked to stop, heard or not: that ends it too."""
    asked = [line["at"] for line in requests if line["what"] == "cancel" and line["assignment"] == assignment]
    return any(
        line["what"] == "says" and "assignment" not in line and line["status"] in ("free", "ready")
        for line in own
        if asked and line["at"] > min(asked)
    )


def _events_wrong(assignment: int, row: Kept) -> Iterator[str]:
    if row.ends != (row.status in LAST_WORDS):
        yield f"assignment {assignment} is {row.status} and ended {row.ends} times in the log"
    if row.late_events != min(row.late_reports, 1):
        yield f"assignment {assignment} has {row.late_reports} late reports and {row.late_events} events of them"


def _other_than_said(assignment: int, row: Kept, own: list[Line]) -> Iterator[str]:
    """It is as the first last word said that was not lost: one is lost at most with its connection."""
    words = [line for line in own if line["what"] == "says" and line.get("assignment") == assignment]
    last = [line for line in words if line["said"] in LAST_WORDS]
    cuts = [line["at"] for line in own if line["what"] in ("lost", "started")]
    if not last and row.status in LAST_WORDS:
        yield f"assignment {assignment} is {row.status}, its agent {row.agent} said no last word of it"
    may_count = last[:1]
    for earlier, later in itertools.pairwise(last):
        if not any(earlier["at"] <= at <= later["at"] for at in cuts):
            break
        may_count.append(later)
    if last and not any(_is_as_said(row, line) for line in may_count):
        said = [(line["said"], line.get("result")) for line in may_count]
        yield f"assignment {assignment} is {row.status} with {row.result}, its agent {row.agent} said {said}"
    if len(may_count) == 1 and not row.late_reports and _goes_on(words, last[0]):
        yield f"nothing is noted of what agent {row.agent} said after the end of assignment {assignment}"


def _is_as_said(row: Kept, line: Line) -> bool:
    """Some agents do not write down their results."""
    return row.status == line["said"] and ("result" not in line or row.result == line["result"])


def _goes_on(words: list[Line], end: Line) -> bool:
    """Whether something else is said of it, at once or soon; what came at the very end may still be on its way."""
    return any(line["at"] >= end["at"] and line["said"] != end["said"] for line in words[words.index(end) :])


async def kept(url: str) -> dict[int, Kept]:
    """All assignments of the database."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_KEPT, list(LAST_WORDS))
    finally:
        await connection.close()
    return {
        row["id"]: Kept(
            agent=row["uuid"],
            status=row["status"],
            result=None if row["result"] is None else json.loads(row["result"]),
            by_muster=row["by_muster"],
            late_reports=row["late_reports"],
            late_events=row["late_events"],
            ends=row["ends"],
        )
        for row in rows
    }


_KEPT = """
    SELECT a.id, agents.uuid, a.status, a.result, a.late_reports,
        a.error IS NOT NULL OR a.status = 'canceled' AND a.result IS NULL AS by_muster,
        count(e.id) FILTER (WHERE e.type = 'assignment.late_report') AS late_events,
        count(e.id) FILTER (WHERE e.type = 'assignment.status_changed' AND e.payload->>'to' = ANY($1)) AS ends
    FROM assignments a JOIN agents ON agents.id = a.agent_id
    LEFT JOIN events e ON e.work_process_id = a.work_process_id AND (e.payload->>'assignment_id')::bigint = a.id
        AND e.type IN ('assignment.late_report', 'assignment.status_changed')
    GROUP BY a.id, agents.uuid
"""
