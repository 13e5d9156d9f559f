"""`muster validate`: what is wrong with files, without any server."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.api.test_bad_files import FORMS

FINE = "services: [{name: fine, type: fine, url: 'http://127.0.0.1:9/'}]"


@pytest.mark.parametrize(("text", "wrong"), FORMS)
def test_every_mistake_is_told_with_file_line_and_column(
    tmp_path: Path, text: str, wrong: set[tuple[str, int, int]]
) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(FINE)
    bad.write_text(text)
    found = CliRunner().invoke(app, ["validate", str(good), str(bad), str(tmp_path / "none.yml")])
    assert found.exit_code == 1
    lines = found.stdout.splitlines()
    assert f"{tmp_path / 'none.yml'}: cannot be read: No such file or directory; correct the path" in lines
    placed = [re.match(rf"{bad}: (.+?): .*\(line (\d+), column (\d+)\); .", line) for line in lines]
    assert {(each[1], int(each[2]), int(each[3])) for each in placed if each} == wrong
    assert placed.count(None) == 1


def test_files_that_are_right_are_said_to_be(tmp_path: Path) -> None:
    good = tmp_path / "good.yml"
    good.write_text(FINE)
    found = CliRunner().invoke(app, ["validate", str(good)])
    assert (found.exit_code, found.stdout) == (0, "1 file can be applied, as far as the files say.\n")


def test_a_file_that_is_given_twice_is_refused_by_both_commands(tmp_path: Path) -> None:
    good = tmp_path / "good.yml"
    good.write_text(FINE)
    words = [str(good), str(tmp_path / "." / "good.yml")]
    checked, sent = (CliRunner().invoke(app, [command, *words]) for command in ("validate", "apply"))
    assert (checked.exit_code, checked.stdout) == (1, f"{good}: is given twice; name each file once\n")
    assert (sent.exit_code, sent.stdout) == (1, f"{checked.stdout}Nothing was applied.\n")


def test_without_an_api_nothing_is_applied_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.yml"
    good.write_text(FINE)
    for name, value in {"API_URL": "http://127.0.0.1:1", "API_TOKEN": "x", "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"MUSTER_{name}", value)
    found = CliRunner().invoke(app, ["apply", str(good)])
    assert found.exit_code == 1
    assert "MUSTER_API_URL" in found.stdout
