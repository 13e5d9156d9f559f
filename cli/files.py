"""`muster apply` and `muster validate`: files of recipes and services."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from api.imports import Existing, file_problems, given_twice
from api.problems import FieldProblem
from settings import Settings

from .asking import CannotAsk, post


def validate(files: Sequence[Path], console: Console) -> int:
    """Say everything that is wrong with the files by themselves; returns the exit code."""
    problems = file_problems(files)
    _show(problems, console)
    if not problems:
        console.print(f"{_files(len(files))} can be applied, as far as the files say.")
    return 1 if problems else 0


def apply(settings: Settings, files: Sequence[Path], existing: Existing, console: Console) -> int:
    """Send the files to the API, which takes all or none; returns the exit code."""
    try:
        contents = [{"name": str(file), "content": file.read_text()} for file in files]
    except (OSError, UnicodeDecodeError):
        # Nothing is sent; what is wrong with the others is told all the same.
        _show(file_problems(files), console)
        return 1
    if twice := given_twice(files):
        _show(twice, console)
        console.print("Nothing was applied.")
        return 1
    try:
        answer = post(settings, "/import", json={"files": contents, "existing": existing})
    except CannotAsk as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    found = answer.json()
    if answer.is_error:
        _show([FieldProblem.model_validate(item) for item in found.get("errors", [])], console)
        if not found.get("errors"):
            console.print(found["detail"], style="red", markup=False, soft_wrap=True)
        console.print("Nothing was applied.")
        return 1
    for file in found["files"]:
        told = [f"{word} {', '.join(file[word])}" for word in ("created", "replaced", "kept") if file[word]]
        console.print(f"{file['name']}: {'; '.join(told) or 'holds nothing'}", markup=False, soft_wrap=True)
    return 0


def _show(problems: Sequence[FieldProblem], console: Console) -> None:
    for item in problems:
        console.print(f"{item.field}: {item.detail}; {item.remedy}", markup=False, soft_wrap=True)


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
