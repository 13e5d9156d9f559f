"""What is raised while a fault is on is that fault's, and what was found before is not lost."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from faults import run as module
from faults.invariants import repairs
from faults.kinds.fault import Broken, Fault, NotPossibleHere
from faults.kinds.kills import OneForGood
from faults.load.scripts import Mission
from faults.load.watch import PHASES, End
from faults.results import Result, Sort
from faults.run import Run, inflict_all


class Thing(Fault):
    """A fault that raises this, if anything."""

    def __init__(self, name: str, raises: Exception | None = None, *, touches_api: bool = False) -> None:
        self.name, self._raises, self.touches_api = name, raises, touches_api
        self.mended = 0

    async def strike(self, stage: Any) -> None:
        if self._raises is not None:
            raise self._raises

    async def mend(self, stage: Any) -> None:
        self.mended += 1


class Theatre:
    """Stage, riders, client and asker in one: all is well."""

    def __init__(self) -> None:
        self.tally = SimpleNamespace(wrong=[])
        self.treatment = SimpleNamespace(wrong=[])
        self.processes = SimpleNamespace(children={})
        self.ends = ["succeeded"]
        self.network = self
        self.nobody_is_there = False
        self.answers = True
        self.did: list[str] = []
        self.open = {1, 2}

    async def run(self, mission: Mission) -> End:
        """Ends as told, at last always the same."""
        self.did.append("probe")
        return End(self.ends.pop(0) if len(self.ends) > 1 else self.ends[0], "", "")

    async def all_ended(self, missions: Any) -> bool:
        self.did.append("all ended")
        return True

    async def was_answered(self, since: float, until: float) -> bool:
        return self.answers

    async def kill(self, *names: str) -> None:
        self.did += [f"kill {name}" for name in names]

    async def start(self, *names: str) -> None:
        self.did.append("start")

    def check(self) -> None:
        """The network is there."""


@pytest.fixture
def theatre(monkeypatch: pytest.MonkeyPatch) -> Theatre:
    monkeypatch.setattr(module, "_QUIET", 0.0)
    return Theatre()


def run_on(theatre: Any) -> Run:
    watch: Any = SimpleNamespace(phases=dict.fromkeys(PHASES, 10), open=60, repairs=repairs.Look(0, {}))
    others = [theatre] * 6
    return Run(theatre, watch, *others, random.Random(1), lambda said: None, 0.1)


async def results_of(theatre: Theatre, *faults: Fault) -> dict[str, Result]:
    results = {fault.name: Result(fault.name) for fault in faults}
    await inflict_all(run_on(cast(Any, theatre)), faults, results, asyncio.Event())
    return results


async def test_what_a_fault_raises_is_its_own_and_it_is_mended_and_the_others_follow(theatre: Theatre) -> None:
    bad, good = Thing("bad", TimeoutError("never")), Thing("good")
    results = await results_of(theatre, bad, good)
    assert "never" in results["bad"].broken[0]
    assert (bad.mended, results["good"].times, results["good"].broken) == (1, 1, [])


async def test_what_was_borne_badly_is_told_in_its_own_words(theatre: Theatre) -> None:
    assert (await results_of(theatre, Thing("bad", Broken("it was"))))["bad"].broken == ["it was"]


async def test_what_is_not_possible_is_not_done(theatre: Theatre) -> None:
    result = (await results_of(theatre, Thing("disk", NotPossibleHere("no mount"))))["disk"]
    assert (result.impossible, result.times, result.broken) == ("no mount", 0, [])


async def test_a_stage_without_its_network_ends_the_run_and_the_results_stay(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> None:
        raise RuntimeError("the proxy has ended")

    monkeypatch.setattr(theatre, "check", check)
    results = await results_of(theatre, Thing("one"), Thing("two"))
    assert "the proxy has ended" in results["one"].broken[0]
    assert (results["one"].times, results["two"].times) == (1, 0)


async def test_a_run_that_is_to_end_does_no_more(theatre: Theatre) -> None:
    enough, results = asyncio.Event(), {name: Result(name) for name in ("one", "two")}

    class Last(Thing):
        async def strike(self, stage: Any) -> None:
            enough.set()

    await inflict_all(run_on(cast(Any, theatre)), [Last("one"), Thing("two")], results, enough)
    assert (results["one"].times, results["two"].times) == (1, 0)


async def test_what_is_done_for_comparison_explains_nothing(theatre: Theatre) -> None:
    run, nothing, kill = run_on(cast(Any, theatre)), Thing("agents: none floods"), Thing("agents: SIGKILL")
    nothing.sort = Sort.COMPARISON
    await inflict_all(
        run, [nothing, kill], {fault.name: Result(fault.name) for fault in (nothing, kill)}, asyncio.Event()
    )
    assert [strike.fault for strike in run.strikes] == ["agents: SIGKILL"]


async def test_wrongs_of_riders_and_of_the_api_are_counted_once(theatre: Theatre) -> None:
    theatre.tally.wrong.append("mission 1 is lost")
    theatre.treatment.wrong.append("GET took long")
    results = await results_of(theatre, Thing("one"), Thing("two"))
    assert results["one"].broken == ["mission 1 is lost", "GET took long"]
    assert results["two"].broken == []


async def test_who_is_killed_for_good_comes_back_when_all_missions_have_ended(theatre: Theatre) -> None:
    async def which(stage: Any) -> str:
        return "missions-2"

    await results_of(theatre, OneForGood("worker", which))
    assert theatre.did == ["kill missions-2", "probe", "probe", "probe", "all ended", "start"]


async def test_missions_that_do_not_succeed_show_no_recovery(theatre: Theatre) -> None:
    theatre.ends = ["failed", "canceled", "succeeded"]
    await results_of(theatre, Thing("one"))
    assert theatre.did.count("probe") == 5, "three, and two once more"


@pytest.mark.parametrize(("answers", "touches_api", "broken"), [(True, False, 0), (False, False, 1), (False, True, 0)])
async def test_an_api_that_lives_answers_while_a_fault_lasts(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch, answers: bool, touches_api: bool, broken: int
) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.0)
    monkeypatch.setattr(module, "EVERY", -1.0)  # each fault lasts longer
    theatre.answers = answers
    result = (await results_of(theatre, Thing("one", touches_api=touches_api)))["one"]
    assert len(result.broken) == broken
    assert theatre.nobody_is_there is False
