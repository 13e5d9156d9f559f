"""`muster mission-file`, without any server."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app

FILES = Path(__file__).parents[1] / "mission_files"
WRONG = """\
mission:
  - instrumentID: [A]
    schedule: {startTime: 2026-01-01, loop: {quantity: 2, value: 3, units: hours}}
    missionSequence:
      - command: "A, execute_resource(SAY{é😀, 1}) x"
"""


def validated(*words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(app, ["mission-file", "validate", *words], input=input)


def test_files_that_can_be_run() -> None:
    names = [str(FILES / name) for name in ("01_scheduled_ctd.yml", "02_event_driven.yml")]
    found = validated(*names)
    assert (found.exit_code, found.stdout) == (0, "".join(f"{name}: can be run\n" for name in names))


def test_a_mistake_is_shown_in_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yml"
    file.write_text(WRONG)
    found = validated(str(file), str(FILES / "02_event_driven.yml"), str(tmp_path / "none.yml"))
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"{file}:3:76: error: `hours` is no unit of time; write `hrs`",
        "  3 |     schedule: {startTime: 2026-01-01, loop: {quantity: 2, value: 3, units: hours}}",
        "    |                                                                            ^^^^^",
        f"{file}:5:51: error: there is text after the `)`; remove it; one command is one item",
        '  5 |       - command: "A, execute_resource(SAY{é😀, 1}) x"',
        "    |                                                    ^",  # the face is two columns wide
        f"{file}: 2 errors, 0 warnings",
        f"{FILES / '02_event_driven.yml'}: can be run",
        f"{tmp_path / 'none.yml'}: cannot be read: No such file or directory; correct the path",
    ]


def test_quotes_belong_to_what_is_meant() -> None:
    found = validated("-", input="mission:\n  - instrumentID: ['A', 'A']\n    schedule: {startTime: 2026-01-01}\n")
    assert "    |                         ^^^\n" in found.stdout


def test_a_warning_is_no_error() -> None:
    text = WRONG.replace("hours", "hrs").replace(" x", "").replace("[A]", "[A, A]")
    found = validated("-", input=text)
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0] == "-:2:23: warning: `A` is listed twice; remove one"
    assert found.stdout.splitlines()[-1] == "-: can be run, with 1 warning"


@pytest.mark.parametrize("text", ["", "[" * 9, "x: *y", "\t" * 300 + "a", "a" * 300 + ": [", "\ufeff- \u2028a: b: c"])
def test_any_text_is_shown(text: str) -> None:
    assert validated("-", input=text).exit_code == 1


def test_without_an_api_no_platform_is_known_and_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_URL": "http://127.0.0.1:1", "API_TOKEN": "x", "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"MUSTER_{name}", value)
    found = validated(str(FILES / "02_event_driven.yml"), "--platform", "LJ01D")
    assert found.exit_code == 1
    assert "MUSTER_API_URL" in found.stdout
    running = ["mission-file", "run", str(FILES / "02_event_driven.yml"), "--platform", "LJ01D"]
    found = CliRunner().invoke(app, [*running, "--mission-id", "ctd-1"])
    assert (found.exit_code, "MUSTER_API_URL" in found.stdout) == (1, True)
    assert CliRunner().invoke(app, running).exit_code == 2, "each mission has an id"
