"""Whatever it gets, the reader answers, and its places are in the file."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from missions.mission_files.commands import parse_command
from missions.mission_files.reader import read_mission_file
from missions.mission_files.yaml_tree import lines_of

REAL = [path.read_text() for path in sorted((Path(__file__).parents[2] / "mission_files").rglob("*.yml"))]
SIGNS = (
    "{ } [ ] ' \" & * &a *a <<: !!int ~ 0x 1:2:3 \t # | > - ? : = % \u2028 é 😀 ) , wait( 2014-02-30 -1 .inf mission:"
)
SPLINTERS = st.sampled_from([*SIGNS.split(" "), "\n", "  ", ": ", "- ", "? ", "|\n", "missionThread:"])


def check(content: str | bytes) -> None:
    read = read_mission_file(content)
    assert (read.plan is None) == bool(read.errors)
    text = content if isinstance(content, str) else content.decode(errors="replace")
    lines = lines_of(text.removeprefix("\ufeff"))
    for issue in read.issues:
        assert 1 <= issue.line <= len(lines), issue
        assert 1 <= issue.column <= len(lines[issue.line - 1]) + 1, issue


@given(st.binary(max_size=60) | st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_anything(content: str | bytes) -> None:
    check(content)


@given(st.lists(SPLINTERS, max_size=12))
@settings(max_examples=100, deadline=None)
def test_splinters_of_yaml(splinters: list[str]) -> None:
    check("".join(splinters))


@given(st.sampled_from(REAL), st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 9), SPLINTERS), max_size=3))
@settings(max_examples=100, deadline=None)
def test_real_files_with_damage(text: str, damages: list[tuple[int, int, str]]) -> None:
    for at, removed, splinter in damages:
        text = text[:at] + splinter + text[at + removed :]
    check(text)


@given(st.text("aA1,.(){}'\"\\: -~t", max_size=25))
@settings(max_examples=100, deadline=None)
def test_any_command(text: str) -> None:
    call = parse_command(text)
    assert all(0 <= problem.offset <= len(text) for problem in call.problems)
    if not call.problems:
        assert call.is_wait or (call.method and call.name)
