"""docs/users.md speaks of the API as it is."""

import re
from pathlib import Path
from typing import Any

import pytest

from activities.registry import activity_types
from api.app import create_app
from api.documents import read_document
from missions.recipes import MissionOptions, RecipeStep
from missions.statuses import WorkProcessStatus
from settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "users.md").read_text()
CALLING_PAGES = [
    *(f"docs/{name}.md" for name in ("users", "operators", "instruments", "platforms", "mission-files")),
    "README.md",
]


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    found: dict[str, Any] = create_app(Settings()).openapi()["paths"]
    return found


def calls(page: str) -> list[tuple[str, str]]:
    """(method, path) of each curl command; what a variable or a number stands for is a parameter."""
    text = re.sub(r"\\\n", " ", (ROOT / page).read_text())
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for command in re.split(r"\bcurl\b", block)[1:]:
            where = re.search(r"\$API(/[^\s\"'?]*)", command)
            assert where, command
            options = command.split("\n", 1)[0]
            given = re.search(r"-X (\w+)", options)
            method = given[1] if given else "POST" if re.search(r" (-d|--data-binary) ", options) else "GET"
            found.append((method.lower(), re.sub(r"/(\$\w+|\d+)(?=/|$)", "/{}", where[1])))
    return found


@pytest.mark.parametrize("page", CALLING_PAGES)
def test_every_call_is_one_of_the_api(page: str, paths: dict[str, Any]) -> None:
    known = {(method, re.sub(r"\{\w+\}", "{}", path)) for path, item in paths.items() for method in item}
    made = calls(page)
    assert made
    assert [call for call in made if (call[0], f"/api/v1{call[1]}") not in known] == []


def test_every_path_in_the_text_is_one_of_the_api(paths: dict[str, Any]) -> None:
    known = {re.sub(r"\{\w+\}", "{}", path) for path in paths} | {"/docs", "/redoc", "/openapi.json"}
    for page in ("users.md", "operators.md", "platforms.md", "security.md"):
        named = re.findall(r"`(?:[A-Z]+ )?(/(?:api|health|docs|openapi)[^`\s*]*)`", (ROOT / "docs" / page).read_text())
        assert named
        assert [path for path in named if re.sub(r"\{\w+\}", "{}", path) not in known] == []


def test_every_status_is_explained() -> None:
    assert [status for status in WorkProcessStatus if f"`{status}`" not in PAGE] == []


def test_every_option_and_step_field_is_explained() -> None:
    fields = [*MissionOptions.model_fields.values(), *RecipeStep.model_fields.values()]
    assert [field.alias for field in fields if f"`{field.alias}`" not in PAGE] == []


@pytest.mark.parametrize("page", CALLING_PAGES)
def test_every_variable_of_a_command_is_set_or_explained(page: str) -> None:
    text = (ROOT / page).read_text()
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    known = set(re.findall(r"^([A-Z]+)=", commands, re.MULTILINE)) | set(re.findall(r"`\$([A-Z]+)`", text))
    assert set(re.findall(r"\$([A-Z]+)", commands)) - known == set()


@pytest.mark.parametrize("page", CALLING_PAGES)
def test_answers_are_read_with_python_alone(page: str) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert {program for each in commands for program in re.findall(r"\| *(?:#.*)?\n? *(\w+)", each)} <= {"python3"}


def test_files_that_are_imported_can_be() -> None:
    files = re.findall(r"--data-binary '\n(.*?)^'", PAGE, re.MULTILINE | re.DOTALL)
    read = [read_document(text, activity_types()) for text in files]
    assert [len(document.recipes) + len(document.services) for document in read] == [1, 1]
    ((_, service),) = read[0].services
    assert not service.require_agents_data
