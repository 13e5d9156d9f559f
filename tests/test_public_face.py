"""What plug-in authors import stays where it is; and the guide for them is true."""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import muster
from activities.registry import ENTRY_POINT_GROUP, activity_types
from api.documents import read_document
from tests.activities.distributions import add_distribution

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "adding-an-activity-type.md"

FACE = {
    "muster.plugin": ["ActivityFailed", "Preset", "Service", "StepContext", "activity_type"],
    "muster.testing": ["Answer", "FakeStepContext", "check_activity_type", "never_answers", "run_activity_type"],
}


@pytest.mark.parametrize("name", sorted(FACE))
def test_public_names_are_pinned(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == FACE[name]
    assert [each for each in FACE[name] if not hasattr(module, each)] == []


def test_the_face_has_no_other_modules() -> None:
    assert {f"muster.{path.stem}" for path in (ROOT / "muster").glob("*.py")} - {"muster.__init__"} == set(FACE)


def test_version_is_the_packages() -> None:
    assert muster.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


# --- the guide


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The guide's activity type and its test, as a module of a package of its own."""
    name = "guide_example"
    add_distribution(monkeypatch, tmp_path, name, "\n\n".join(blocks("python")))
    yield importlib.import_module(name)
    del sys.modules[name]
    activity_types.cache_clear()


def test_guide_is_short_enough_to_be_read() -> None:
    assert len(GUIDE.read_text().splitlines()) <= 100


async def test_the_guides_activity_type_passes_its_own_test(example: ModuleType) -> None:
    tests: list[Any] = [member for name, member in vars(example).items() if name.startswith("test_")]
    assert len(tests) == 1
    for test in tests:
        await test()


def test_the_guides_activity_type_is_found_and_its_recipe_can_be_saved(example: ModuleType) -> None:
    types = activity_types()
    assert types["open_gate"].run is example.open_gate
    (recipe,) = blocks("yaml")
    ((_, read),) = read_document(recipe, types).recipes
    assert [step.uses for step in read.steps] == ["open_gate", "microservice"]


def test_the_guides_entry_point_is_in_the_group_that_is_read() -> None:
    (toml,) = blocks("toml")
    assert list(tomllib.loads(toml)["project"]["entry-points"]) == [ENTRY_POINT_GROUP]
