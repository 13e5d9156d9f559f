"""What plug-in authors import stays where it is."""

import importlib
import tomllib
from pathlib import Path

import pytest

import muster

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
