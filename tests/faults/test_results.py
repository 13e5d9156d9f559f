"""What the report says."""

from collections import Counter

from faults.load.watch import PHASES
from faults.results import HEADER, Result, verdict


def test_a_line_has_counts_and_recovery_times() -> None:
    line = Result("API: SIGKILL", times=3, missions=300, recoveries=[1.0, 4.0, 2.0]).line()
    assert line.split() == ["API:", "SIGKILL", "3", "-", "300", "0", "2.0", "/", "4.0", "s"]
    assert len(HEADER.split("recovery")[0]) == len(line.split("2.0")[0])


def test_a_line_says_how_often_the_rarest_phase_was_hit() -> None:
    hit = Counter(dict.fromkeys(PHASES, 5))
    assert Result("x", times=5, phases=hit).line().split()[2] == "5"
    hit["cancelling"] = 4
    assert Result("x", times=5, phases=hit).line().split()[2] == "4"
    del hit["waiting"]
    assert Result("x", times=5, phases=hit).line().split()[2] == "0"


def test_a_fault_that_nothing_recovers_from_has_no_time() -> None:
    assert Result("bad input", times=1).line().endswith("-")


def test_what_is_broken_makes_the_verdict_and_the_exit_code() -> None:
    good, bad = Result("one", times=5), Result("two", times=2, broken=["mission 7 is lost", "mission 8 is lost"])
    assert verdict([good]) == ("Passed: 5 faults of 1 kinds, no invariant broken.", 0)
    assert verdict([good, bad]) == ("FAILED: 2 invariants broken by 2 kinds of faults, 7 in all.", 1)
