"""Missions beside a flood are compared with those beside none."""

from faults.invariants.pace import faults_of, p95, told


def test_a_slow_mission_in_twenty_does_not_count() -> None:
    assert p95([1.0] * 20 + [99.0]) == 1.0
    assert p95([3.0]) == 3.0


def test_missions_that_a_flood_holds_up_are_found() -> None:
    took = {"beside a flood": [20.0, 21.0], "beside nothing": [1.0, 1.0]}
    assert list(faults_of(took)) == ["beside a flood the p95 of missions was 20.0 s, else 1.0 s"]


def test_a_slow_machine_is_no_flood() -> None:
    assert list(faults_of({"beside a flood": [20.0, 21.0], "beside nothing": [9.0, 8.0]})) == []
    assert list(faults_of({"probe": [9.0]})) == []


def test_the_figures_are_told_by_kind() -> None:
    assert list(told({"probe": [1.0, 3.0]})) == ["2 missions (probe) took p50 2.0, p95 1.0, at most 3.0 s"]


def test_a_flood_without_anything_to_compare_it_with_is_told() -> None:
    assert "missions beside a flood are compared with nothing" in next(told({"beside a flood": [9.0]}))
