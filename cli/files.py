"""`muster apply` and `muster validate`: files of recipes and services."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from api.imports import Existing, file_problems, given_twice
from api.problems import FieldProblem
from api.token import token_file
from settings import Settings

from .stack.lock import holder
from .stack.ports import Ports

_PATIENCE = 60.0


class CannotApply(Exception):
    """Why nothing was sent, or nobody answered, and what to do."""


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
        answer = _post(settings, {"files": contents, "existing": existing})
    except CannotApply as error:
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


def _post(settings: Settings, body: dict[str, Any]) -> httpx.Response:
    url, headers = _api_url(settings), {"Authorization": f"Bearer {_token(settings)}"}
    try:
        with httpx.Client(trust_env=False, timeout=_PATIENCE) as http:
            answer = http.post(f"{url}/api/v1/import", json=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotApply(
            f"The API at {url} does not answer ({error}). `muster up` starts one; MUSTER_API_URL names another."
        ) from None
    if "json" not in answer.headers.get("content-type", ""):
        raise CannotApply(
            f"What answers at {url} is not Muster's API (status {answer.status_code}): see MUSTER_API_URL."
        )
    return answer


def _token(settings: Settings) -> str:
    given = settings.api_token.get_secret_value()
    file = token_file(settings)
    if not given and not file.exists():
        raise CannotApply(f"No token: set MUSTER_API_TOKEN, or start a stack that makes {file} (`muster up`).")
    return given or file.read_text().strip()


def _api_url(settings: Settings) -> str:
    """The address that was given, else where the stack of this folder has its API."""
    folder = settings.data_dir.expanduser().resolve()
    port = Ports(folder / "ports.json").remembered("api") if holder(folder) else 0
    if settings.api_url or not port:
        return settings.public_api_url.rstrip("/")
    return f"http://{'127.0.0.1' if settings.api_host == '0.0.0.0' else settings.api_host}:{port}"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
