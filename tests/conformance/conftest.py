"""The table of `make conformance`: one line for each scenario, with its figures."""

from typing import Any

import pytest

_LINES: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep one line for each scenario."""
    if report.when == "teardown":
        figures = dict(report.user_properties).get("figures")
        if figures is not None:
            _LINES.append((_name(report), str(figures)))


def _name(report: pytest.TestReport) -> str:
    return report.nodeid.rsplit("::", 1)[-1].removeprefix("test_")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of `make conformance`."""
    if not _LINES:
        return
    failed = {_name(report) for report in terminalreporter.stats.get("failed", [])}
    terminalreporter.section("helyOS's scenarios: messages on the broker")
    for name, figures in sorted(_LINES):
        terminalreporter.write_line(f"{'FAILED' if name in failed else 'ok':6} {name.replace('_', ' '):75} {figures}")
