import pytest

from missions.mission_files.issues import Issue
from missions.mission_files.reader import read_mission_file
from missions.mission_files.yaml_tree import lines_of
from tests.missions.mission_files.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=[case.why for case in CASES])
def test_case(case: Case) -> None:
    read = read_mission_file(case.text)
    lines = lines_of(case.text)
    assert [(issue.severity, issue.path, written_at(issue, lines)) for issue in read.issues if issue.severity] == [
        (severity, path, text) for severity, path, text in case.said
    ]
    assert (read.plan is None) == any(severity == "error" for severity, _, _ in case.said)


def written_at(issue: Issue, lines: list[str]) -> str:
    """The issue's text, if it stands where the issue says."""
    there = lines[issue.line - 1][issue.column - 1 :]
    assert there.startswith(issue.text) or there[1:].startswith(issue.text), (there, issue)
    assert issue.message
    assert issue.remedy
    return issue.text


def test_each_case_is_told_once() -> None:
    assert len({case.why for case in CASES}) == len(CASES)
    assert len(CASES) >= 110
