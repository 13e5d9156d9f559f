"""Activity types are found: ours in `activities/`, others' by entry point."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from activities.activity_types import Preset, StepContext, activity_type
from activities.registry import activity_types
from api.recipe_rules import recipe_problems
from missions.errors import InvalidInput
from missions.recipes import Recipe
from tests.activities.distributions import add_distribution

pytestmark = pytest.mark.usefixtures("_fresh_registry")

LIFT = '''
from pydantic import BaseModel
from muster.plugin import Preset, StepContext, activity_type

class Lift(BaseModel):
    floor: int

@activity_type("{name}", preset=Preset.CALL)
async def call_lift(lift: Lift, context: StepContext) -> dict:
    """Call a lift."""
    return {{}}
'''


def test_ours_are_found() -> None:
    types = activity_types()
    assert {"microservice", "http_notify"} <= set(types)
    assert types["microservice"].preset_name is Preset.LONG
    assert types["http_notify"].description == "POST a JSON notice about the mission to a URL."


def test_package_outside_the_repository_adds_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_distribution(monkeypatch, tmp_path, "acme_lift", LIFT.format(name="call_lift"))
    types = activity_types()
    assert types["call_lift"].run.__module__ == "acme_lift"
    assert types["call_lift"].input_schema()["required"] == ["floor"]
    assert "microservice" in types


def test_module_with_two_entry_points_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = "one = acme_twice:call_lift\ntwo = acme_twice"
    add_distribution(monkeypatch, tmp_path, "acme_twice", LIFT.format(name="call_lift"), entries)
    assert "call_lift" in activity_types()


def test_type_that_a_module_imports_is_no_second_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_distribution(monkeypatch, tmp_path / "a", "acme_inner", LIFT.format(name="call_lift"))
    add_distribution(monkeypatch, tmp_path / "b", "acme_outer", "from acme_inner import call_lift")
    assert activity_types()["call_lift"].run.__module__ == "acme_inner"


def test_two_of_one_name_are_refused_naming_both_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_distribution(monkeypatch, tmp_path, "acme_notify", LIFT.format(name="http_notify"))
    with pytest.raises(RuntimeError, match=r"'http_notify': activities\.http_notify and acme_notify; rename one"):
        activity_types()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1", "holds no activity type"),
    ],
)
def test_useless_entry_point_is_refused_naming_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, says: str
) -> None:
    add_distribution(monkeypatch, tmp_path, "acme_broken", source)
    with pytest.raises(RuntimeError, match=rf"entry point 'acme_broken' of acme_broken .*{says}"):
        activity_types()


def problems(**step: object) -> list[InvalidInput]:
    recipe = Recipe.model_validate({"name": "r", "steps": [{"step": "tell", **step}]})
    return recipe_problems(recipe, activity_types())


def test_step_that_fits_is_saved() -> None:
    assert problems(uses="http_notify", input={"url": "http://x/"}) == []
    assert problems(serviceType="drive") == []


@pytest.mark.parametrize(
    ("step", "field", "says"),
    [
        ({"uses": "http_notify", "input": {"url": "no"}}, "steps.tell.input.url", "valid URL"),
        ({"uses": "http_notify", "input": {}}, "steps.tell.input.url", "Field required"),
        ({"uses": "http_notify", "input": {"url": "http://x/", "mesage": ""}}, "steps.tell.input.mesage", "Extra"),
        ({"uses": "http_notify", "input": {"url": "http://x/", "headers": {"a": 1}}}, "steps.tell.input.headers.a", ""),
        ({}, "steps.tell.input.service_type", "Field required"),
        ({"uses": "no_such_type"}, "steps.tell.uses", "no activity type"),
    ],
)
def test_wrong_input_is_refused_at_save_naming_step_and_field(step: dict[str, object], field: str, says: str) -> None:
    (problem,) = problems(**step)
    assert problem.field == field
    assert "'tell'" in problem.detail
    assert says in problem.detail
    assert problem.remedy


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"a b": "x"}, "no name of a header"),
        ({"": "x"}, "no name of a header"),
        ({"Content-Length": "1"}, "leave it out"),
        ({"a": "x\ny"}, "cannot be sent in a header"),
        ({"a": "é"}, "cannot be sent in a header"),
        ({"a": " x"}, "cannot be sent in a header"),
    ],
)
def test_header_that_cannot_be_sent_is_refused_at_save(header: dict[str, str], says: str) -> None:
    (problem,) = problems(uses="http_notify", input={"url": "http://x/", "headers": header})
    assert (problem.field or "").startswith("steps.tell.input.headers.")
    assert says in problem.detail


class Nothing(BaseModel):
    pass


def blocking(value: Nothing, context: StepContext) -> dict[str, object]:
    return {}


async def no_model(value: int, context: StepContext) -> dict[str, object]:
    return {}


async def not_annotated(value, context) -> dict[str, object]:  # type: ignore[no-untyped-def]
    return {}


async def no_parameters() -> dict[str, object]:
    return {}


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (blocking, "must be an `async def`"),
        (no_model, "annotated with a pydantic model"),
        (not_annotated, "annotated with a pydantic model"),
        (no_parameters, "annotated with a pydantic model"),
    ],
)
def test_function_that_cannot_be_an_activity_type_is_refused_by_the_decorator(function: object, says: str) -> None:
    with pytest.raises(TypeError, match=rf"'wrong'.*{says}"):
        activity_type("wrong")(function)  # type: ignore[arg-type]
