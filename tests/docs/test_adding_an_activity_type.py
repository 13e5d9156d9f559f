"""docs/adding-an-activity-type.md is true: what it shows, saved where it says, is found, tested and clean."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import activities
from activities.registry import ENTRY_POINT_GROUP, activity_types
from api.documents import read_document
from tests.activities.distributions import add_distribution
from tests.test_import_arrows import sources, wrong_arrows, wrong_libraries

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding-an-activity-type.md").read_text()
PLACES = ["activities/open_gate.py", "tests/activities/test_open_gate.py"]
IMPORTED = ["activities/activity_types.py", "muster/testing.py"]  # the order of imports depends on what is ours


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def renamed(text: str) -> str:
    """Under another name, so that who tries the guide in this very folder keeps passing."""
    return text.replace("open_gate", "gate_of_the_guide")


TYPE, TEST = blocks("python")


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The guide's activity type in a file of the folder `activities`."""
    (tmp_path / "gate_of_the_guide.py").write_text(renamed(TYPE))
    monkeypatch.setattr(activities, "__path__", [*activities.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    activity_types.cache_clear()
    yield importlib.import_module("activities.gate_of_the_guide")
    del sys.modules["activities.gate_of_the_guide"]
    activity_types.cache_clear()


def test_it_is_short_enough_to_be_read() -> None:
    assert len(GUIDE.splitlines()) <= 100


def test_it_says_where_its_files_are_saved() -> None:
    assert [place for place in PLACES if f"`{place}`" not in GUIDE] == []


async def test_its_activity_type_passes_its_own_test(saved: ModuleType) -> None:
    members: dict[str, object] = {}
    exec(renamed(TEST), members)
    (test,) = [member for name, member in members.items() if name.startswith("test_")]
    assert callable(test)
    await test()


def test_its_activity_type_is_found_and_its_recipe_can_be_saved(saved: ModuleType) -> None:
    types = activity_types()
    assert types["gate_of_the_guide"].run is saved.gate_of_the_guide
    (recipe,) = blocks("yaml")
    ((_, read),) = read_document(renamed(recipe), types).recipes
    assert [step.uses for step in read.steps] == ["gate_of_the_guide", "microservice"]


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_its_files_pass_lint(tmp_path: Path, check: list[str]) -> None:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for source, place in zip([TYPE, TEST, "", ""], [*PLACES, *IMPORTED], strict=True):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(source)
    command = [sys.executable, "-m", "ruff", *check, "--no-cache", *PLACES]
    ran = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_activity_type_keeps_the_arrows() -> None:
    known = sources() | {"activities.gate_of_the_guide": renamed(TYPE)}
    assert [*wrong_arrows(known), *wrong_libraries(known)] == []


def test_a_package_finds_all_that_it_imports_in_the_public_face(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = "from activities.activity_types import"
    assert inside in TYPE
    add_distribution(monkeypatch, tmp_path, "acme_gates", renamed(TYPE).replace(inside, "from muster.plugin import"))
    assert activity_types()["gate_of_the_guide"].run.__module__ == "acme_gates"
    monkeypatch.undo()
    del sys.modules["acme_gates"]
    activity_types.cache_clear()


def test_its_entry_point_is_in_the_group_that_is_read() -> None:
    (toml,) = blocks("toml")
    assert list(tomllib.loads(toml)["project"]["entry-points"]) == [ENTRY_POINT_GROUP]
