"""Missions of unknown outcome that the recipe or the operator settled: each has a fault that explains it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from faults.invariants.strikes import Strike, explain_unknown_outcome

Line = dict[str, Any]


@dataclass(frozen=True)
class Doubted:
    """An assignment of a mission that was settled; times in seconds."""

    id: int
    agent: str
    status: str
    sent_at: float
    ended_at: float


def faults_of(
    settled: Mapping[int, str], doubted: Mapping[int, Collection[Doubted]], strikes: Sequence[Strike]
) -> Iterator[str]:
    """Settlements that nothing explains; `settled`: mission → how; `doubted`: of each mission."""
    for mission, how in settled.items():
        explained = [
            explain_unknown_outcome(strikes, one.agent, one.sent_at, one.ended_at)
            for one in _in_question(doubted.get(mission, ()))
        ]
        if not any(explained):
            yield f"no fault explains that an outcome was unknown: mission {mission} {how}"


def _in_question(doubted: Collection[Doubted]) -> Collection[Doubted]:
    """Those that did not succeed; one may have done so before the operator's cancel came."""
    return [one for one in doubted if one.status != "succeeded"] or doubted


def told(
    settled: Mapping[int, str],
    doubted: Mapping[int, Collection[Doubted]],
    sent: Iterable[Line],
    said: Iterable[Line],
) -> Iterator[str]:
    """Each case, with what the broker and the agent know of it."""
    on_broker = {line["assignment"]: line["heard"] for line in sent if line["what"] == "assignment"}
    begun = {line["assignment"] for line in said if line["what"] == "begin"}
    for mission, how in settled.items():
        known = "; ".join(
            f"assignment {one.id} {_BROKER[on_broker.get(one.id)]}, agent {one.agent}"
            f" {'began it' if one.id in begun else 'never began it'}"
            for one in _in_question(doubted.get(mission, ()))
        )
        yield f"mission {mission} {how} ({known})"


_BROKER = {True: "went to its agent's queue", False: "came back", None: "was not seen on the broker"}


async def doubted(url: str, missions: Collection[int]) -> dict[int, list[Doubted]]:
    """Of these missions."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_DOUBTED, list(missions))
    finally:
        await connection.close()
    found: dict[int, list[Doubted]] = {}
    for mission, *facts in rows:
        found.setdefault(mission, []).append(Doubted(*facts))
    return found


_DOUBTED = """
    SELECT w.id, a.id, agents.uuid, a.status, extract(epoch FROM coalesce(a.intent_at, a.created_at))::float8,
        extract(epoch FROM coalesce(a.ended_at, w.ended_at, now()))::float8
    FROM assignments a JOIN agents ON agents.id = a.agent_id JOIN work_processes w ON w.id = a.work_process_id
    WHERE w.id = ANY($1) ORDER BY w.id, a.id
"""
