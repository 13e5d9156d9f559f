"""What the report says."""

from collections import Counter
from typing import Any

from faults.load.watch import PHASES
from faults.results import HEADER, Result, Sort, verdict


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


def fault(name: str, times: int = 5, **more: Any) -> Result:
    return Result(name, times=times, sort=Sort.FAULT, **more)


def test_what_is_broken_makes_the_verdict_and_the_exit_code() -> None:
    good, bad = fault("one"), fault("two", 2, broken=["mission 7 is lost", "mission 8 is lost"])
    assert verdict([good])[1] == 0
    text, code = verdict([good, bad])
    assert code == 1
    assert text.startswith("FAILED: 2 invariants broken: two (2). 7 faults done, of 2 of 2 kinds.")


def test_what_is_broken_in_the_whole_run_fails_it_and_is_no_kind_of_fault() -> None:
    text, code = verdict([fault("one"), Result("all of it", sort=Sort.WHOLE, broken=["agent 3 is held"])])
    assert code == 1
    assert "all of it (1). 5 faults done, of 1 of 1 kinds." in text


def test_the_comparison_counts_neither_as_a_fault_nor_as_a_kind() -> None:
    text, _ = verdict([fault("one"), Result("nothing", times=5, sort=Sort.COMPARISON, recoveries=[1.0])])
    assert "5 faults done, of 1 of 1 kinds. 0 of 0 recoveries" in text


def test_a_fault_that_was_not_done_is_told() -> None:
    text, code = verdict([fault("one"), fault("two", 0), fault("disk", 0, impossible="no mount")])
    assert code == 0
    assert "5 faults done, of 1 of 3 kinds. Not possible here: disk. Not done: two." in text


def test_a_run_that_somebody_ended_has_not_passed() -> None:
    assert verdict([fault("one", 1)], complete=False) == (
        "Ended early: no invariant broken until then. 1 faults done, of 1 of 1 kinds. 0 of 0 recoveries took longer"
        " than their goal.",
        130,
    )
    assert verdict([fault("one", broken=["lost"])], complete=False)[1] == 1


def test_a_missed_goal_is_told_and_no_failure() -> None:
    text, code = verdict([fault("one", recoveries=[4.0, 6.0, 7.0], goal=5.0)])
    assert code == 0
    assert "2 of 3 recoveries took longer than their goal." in text


def test_bad_input_is_told_apart() -> None:
    text, _ = verdict([fault("one", 1), Result("messages", times=6000), Result("requests", times=12)])
    assert "1 faults done" in text
    assert text.endswith("Bad input: messages: 6,000, requests: 12.")
    assert "faults done" not in verdict([Result("messages", times=6000)])[0]
