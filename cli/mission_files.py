"""`muster mission-file`: what is wrong with mission files, with the line that says it; and runs one."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from missions.mission_files.issues import Issue
from missions.mission_files.reader import read_mission_file
from missions.mission_files.yaml_tree import lines_of
from settings import Settings

from .asking import CannotAsk, post

_COLOURS = {"error": "red", "warning": "yellow"}
_WIDEST = 160
"""Characters of a line that are shown."""
_YAML = {"Content-Type": "application/yaml"}


def validate(settings: Settings, names: Sequence[str], platform: str, console: Console) -> int:
    """Say everything that is wrong with the files; returns the exit code.

    `names`: paths, or `-` for standard input; `platform`: id, uuid or alias of one that the API knows, or empty.
    """
    wrong = False
    for name in names:
        try:
            content = _content(name)
            issues = _ask(settings, content, platform) if platform else read_mission_file(content).issues
        except OSError as error:
            _say(console, f"{name}: cannot be read: {error.strerror}; correct the path")
            wrong = True
            continue
        except CannotAsk as error:
            _say(console, str(error))
            return 1
        wrong |= _show(name, content, issues, console)
    return 1 if wrong else 0


def run(settings: Settings, name: str, platform: str, mission_id: str, console: Console) -> int:
    """Have a file run on a platform, under an id of the user's; returns the exit code. `name`: as for `validate`."""
    try:
        content = _content(name)
        answer = post(
            settings,
            f"/platforms/{quote(platform, safe='')}/missions",
            content=content,
            params={"missionId": mission_id},
            headers=_YAML,
        )
    except OSError as error:
        _say(console, f"{name}: cannot be read: {error.strerror}; correct the path")
        return 1
    except CannotAsk as error:
        _say(console, str(error))
        return 1
    found = answer.json()
    if not answer.is_error:
        _say(console, f"{found['missionId']} {answer.url.join(answer.headers['Location'])}")
        return 0
    refusals = found.get("errors", [])
    issues = [issue for each in refusals if (issue := _issue(each)) is not None]
    if issues:
        _show(name, content, issues, console)
    else:
        _say(console, "; ".join([found["detail"], *(each["remedy"] for each in refusals)]))
    return 1


def _issue(refusal: Mapping[str, Any]) -> Issue | None:
    """What the API says of a place in the file; None: it is about something else."""
    place = re.fullmatch(r"missionYaml:(\d+):(\d+)", refusal["field"] or "")
    if place is None:
        return None
    return Issue(
        severity="error",
        line=int(place[1]),
        column=int(place[2]),
        path="",
        text=refusal["value"],
        message=refusal["detail"],
        remedy=refusal["remedy"],
    )


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:
        return file.read()


def _ask(settings: Settings, content: bytes, platform: str) -> list[Issue]:
    answer = post(
        settings,
        "/mission-files/validate",
        content=content,
        params={"platformId": platform},
        headers=_YAML,
    )
    found = answer.json()
    if answer.is_error:
        raise CannotAsk(found["detail"])
    return [Issue.model_validate(item) for item in (*found["errors"], *found["warnings"])]


def _show(name: str, content: bytes, issues: Sequence[Issue], console: Console) -> bool:
    """Whether one of them is an error."""
    lines = lines_of(content.decode(errors="replace").removeprefix("\ufeff"))
    for issue in sorted(issues, key=lambda issue: (issue.line, issue.column)):
        place = f"{name}:{issue.line}:{issue.column}: "
        words = Text.assemble(place, (issue.severity, _COLOURS[issue.severity]), f": {issue.message}; {issue.remedy}")
        console.print(words, soft_wrap=True)
        _show_line(issue, lines[issue.line - 1], console)
    errors = sum(issue.severity == "error" for issue in issues)
    if not errors:
        _say(console, f"{name}: can be run" + (f", with {_counted(len(issues), 'warning')}" if issues else ""))
    else:
        _say(console, f"{name}: {_counted(errors, 'error')}, {_counted(len(issues) - errors, 'warning')}")
    return errors > 0


def _show_line(issue: Issue, line: str, console: Console) -> None:
    """The line, and a caret under each character of what is meant."""
    at = issue.column - 1
    skipped = max(0, at - _WIDEST // 2)
    before, shown = _printable(line[skipped:at]), _printable(line[skipped : skipped + _WIDEST])
    width = _width(line[at:], issue.text)
    margin = " " * len(str(issue.line))
    colour = _COLOURS[issue.severity]
    console.print(Text(f"  {issue.line} | {shown}"), soft_wrap=True)
    caret = Text.assemble(f"  {margin} | {' ' * cell_len(before)}", ("^" * min(width, _WIDEST), colour))
    console.print(caret, soft_wrap=True)


def _width(written: str, meant: str) -> int:
    """How many columns of what is written are meant; with its quotes, if it has some."""
    quotes = 2 if written[:1] in ("'", '"') and not written.startswith(meant) else 0
    return max(1, cell_len(meant) + quotes) if written[quotes // 2 :].startswith(meant) else 1


def _printable(text: str) -> str:
    # Tabs have no width of their own, and control characters would control the terminal.
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _say(console: Console, words: str) -> None:
    console.print(words, markup=False, soft_wrap=True)
