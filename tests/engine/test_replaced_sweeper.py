"""A sweeper whose lock another process may have by now ends no run, cancels none and starts none."""

from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine import sweeper as sweeping
from engine.runs import Run
from engine.sweeper import Sweeper
from missions.errors import PartUnavailable
from missions.events import utc_now
from missions.repairs import Repair
from settings import Settings
from store.open_missions import OpenMission

RUN = "work-process-i-1"
MISSION = OpenMission(id=1, workflow_id=RUN, settled=True, canceling=True)
LOST = SimpleNamespace(
    dispatched_at=utc_now() - timedelta(hours=1), work_process=SimpleNamespace(superseded=True, cancel_reason="")
)


class World:
    """The engine, the rows and the lock; `steps`: what the sweeper did, with its asks for the lock."""

    def __init__(self, leads_for: int) -> None:
        self.steps: list[str] = []
        self.threads = ["thread-0"]
        self._left = leads_for
        self.closed_at: Any = None

    async def stay(self) -> None:
        self.steps.append("asks")
        self.threads = ["thread-of-another-run"]
        self._left -= 1
        if self._left < 0:
            raise PartUnavailable("PostgreSQL", "lost")

    async def look(self, workflow_id: str) -> Run:
        return Run(status="terminated", cancelled=False, closed_at=self.closed_at)

    async def last_words(self, workflow_id: str) -> str:
        return ""

    async def terminate(self, workflow_id: str, reason: str) -> bool:
        self.steps.append(f"terminates {workflow_id}")
        return True

    async def cancel(self, workflow_id: str, reason: str) -> None:
        self.steps.append("cancels")

    async def send(self, told: Any) -> None:
        pass

    @asynccontextmanager
    async def transaction(self) -> Any:
        yield None

    statement = transaction

    def sweeper(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        async def start(*_: Any, **__: Any) -> str:
            self.steps.append("starts")
            return "r"

        async def threads_of(*_: Any) -> list[str]:
            return self.threads

        async def needs_none(_: Any, runs: Any, grace: Any) -> dict[str, str]:
            return dict.fromkeys(runs, "there is no such mission")

        async def count(_: Any, repair: Repair, times: int = 1) -> None:
            pass

        rows = SimpleNamespace(read=_gives(LOST), start_again=_gives(None), took_over=_gives([]), threads_of=threads_of)
        monkeypatch.setattr(sweeping, "lost_runs", rows)
        monkeypatch.setattr(sweeping, "start_mission", start)
        monkeypatch.setattr(sweeping.open_missions, "why_unneeded", needs_none)
        monkeypatch.setattr(sweeping.repairs, "count", count)
        made: Any = Sweeper(Settings(), self, None, self)  # type: ignore[arg-type]  # it is all of them
        made._runs = made._leader = self
        return made


def _gives(value: Any) -> Any:
    async def give(*_: Any) -> Any:
        return value

    return give


async def test_a_leader_asks_for_its_lock_before_each_act(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(leads_for=3)
    world.closed_at = utc_now() - timedelta(minutes=1)
    await world.sweeper(monkeypatch)._without_run(MISSION)
    assert world.steps == ["asks", "terminates thread-0", "asks", "starts", "asks", "cancels"]


@pytest.mark.parametrize("leads_for", [0, 1, 2])
async def test_who_was_replaced_does_nothing_more_for_a_lost_run(
    leads_for: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(leads_for)
    world.closed_at = utc_now() - timedelta(minutes=1)
    with pytest.raises(PartUnavailable):
        await world.sweeper(monkeypatch)._without_run(MISSION)
    assert world.steps[-1] == "asks"
    assert "terminates thread-of-another-run" not in world.steps


async def test_who_was_replaced_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(leads_for=0)
    with pytest.raises(PartUnavailable):
        await world.sweeper(monkeypatch)._canceling(MISSION)
    assert world.steps == ["asks"]


async def test_who_was_replaced_terminates_nobodys_run(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {f"work-process-i-{number}" for number in range(50)}
    world = World(leads_for=2)
    with pytest.raises(PartUnavailable):
        await world.sweeper(monkeypatch)._without_mission(runs)
    assert len([step for step in world.steps if step.startswith("terminates")]) == 2
