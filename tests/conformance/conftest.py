"""The tables of `make conformance`: one line for each scenario with its figures, one for each case of mission files."""

from typing import Any

import pytest

# What helyOS's own tests count, or its order of work makes of the same scenario; only where that is written down.
# A figure that differs is a row of "Messages" in docs/helyos-differences.md.
HELYOS: dict[str, str] = {
    "01_complete_mission": "reserves 1, releases 1",
    "02_cancel_while_executing": "cancels 1, releases 1",
    "10_cancel_during_the_map_step": "cancels 0, releases 1",
    "11_one_of_two_fails_the_mission": "cancels 1",
    "13_the_failed_agent_is_released_at_once": "releases (first) 2",
    "15_fallback_mission_of_the_recipe": "reserves (first) 2, releases (first) 3",
    "16_fallback_mission_of_the_planner": "reserves (first) 2, releases (first) 3",
}

_LINES: list[tuple[str, str]] = []
_CASES: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep one line for each scenario, and for each case."""
    if report.when == "teardown":
        figures = dict(report.user_properties).get("figures")
        if figures is not None:
            _LINES.append((_name(report), str(figures)))
        case = dict(report.user_properties).get("case")
        if case is not None:
            _CASES.append((_name(report), str(case)))


def _name(report: pytest.TestReport) -> str:
    return report.nodeid.rsplit("::", 1)[-1].removeprefix("test_")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The tables of `make conformance`."""
    failed = {_name(report) for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])}
    if _LINES:
        terminalreporter.section("helyOS's scenarios: messages on the broker")
    for name, figures in sorted(_LINES):
        outcome = "FAILED" if name in failed else "ok"
        terminalreporter.write_line(f"{outcome:6} {name.replace('_', ' '):75} {figures}")
        if name in HELYOS:
            terminalreporter.write_line(f"{'':6} {'':>66} helyOS: {HELYOS[name]}")
    if _CASES:
        terminalreporter.section("mission files: what each thread tells, and how the mission ends")
    for name, case in sorted(_CASES):
        outcome = "FAILED" if name in failed else "ok"
        words = name.partition("[")[2].removesuffix("]").replace("_", " ")
        terminalreporter.write_line(f"{outcome:6} {words:50} {case}")
