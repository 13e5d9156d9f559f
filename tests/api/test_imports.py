from pathlib import Path

import pytest
from httpx import AsyncClient, Response

from activities.registry import activity_types
from api.imports import load_files
from api.problems import Refused
from settings import Settings
from store.database import Database
from tests.api.conftest import changes, problem, stored

RECIPES = """
recipes:
  - name: mowing
    numMaxAgents: 1
    settings: {since: 2024-01-01, tags: [a, b]}
    steps:
      - {step: plan, serviceType: drive}
      - {step: report, uses: microservice, serviceType: report, dependencies: [plan]}
"""

HELYOS_MISSIONS = """
version: '2.0'
missions:
  plowing:
    maxagents: 2
    description: plows
    settings: '{"depth": 3}'
    on_assignment_failure: FAIL_MISSION
    recipe:
      steps:
        - step: A
          service_type: drive
          request_order: 1
          apply_result: true
          override_config: "{}"
        - step: B
          service_type: drive
          request_order: 2
          dependencies: '["A"]'
          service_config: '{"fast": true}'
          wait_assignments: false
"""

HELYOS_SERVICES = """
version: '2.0'
services:
  field_planner:
    domain: Path planner
    type: field
    url: http://planner:9000/
    enable: true
    apikey: hush
    is_dummy: false
    timeout: 30
    context: {all_agents_data: false, mission_agents_data: true, map_data: false, require_map_objects: [road]}
"""


async def _import(api: AsyncClient, kind: str, text: str, **query: str) -> Response:
    return await api.post(f"/{kind}/import", content=text, params=query, headers={"Content-Type": "application/yaml"})


async def test_our_own_form(world: AsyncClient) -> None:
    answer = await _import(world, "recipes", RECIPES)
    assert answer.json() == {"created": ["mowing"], "replaced": [], "kept": []}
    (found,) = (await world.get("/recipes", params={"name": "mowing"})).json()["items"]
    assert found["settings"] == {"since": "2024-01-01", "tags": ["a", "b"]}
    assert found["steps"][1]["dependencies"] == ["plan"]


async def test_the_files_of_helyos(world: AsyncClient) -> None:
    assert (await _import(world, "services", HELYOS_SERVICES)).json()["created"] == ["field_planner"]
    assert (await _import(world, "recipes", HELYOS_MISSIONS)).json()["created"] == ["plowing"]
    (service,) = (await world.get("/services", params={"type": "field"})).json()["items"]
    assert service["name"] == "field_planner"
    assert service["domain"] == "Assignment planner"
    assert service["resultTimeout"] == 30
    assert service["hasApikey"] is True
    assert service["requireAgentsData"] is False
    assert service["requireMapObjects"] == ["road"]
    (recipe,) = (await world.get("/recipes", params={"name": "plowing"})).json()["items"]
    assert recipe["numMaxAgents"] == 2
    assert recipe["settings"] == {"depth": 3}
    assert recipe["steps"][1]["dependencies"] == ["A"]
    assert recipe["steps"][1]["serviceConfig"] == {"fast": True}
    assert recipe["steps"][1]["waitAssignments"] is False


async def test_names_that_are_there_are_kept_replaced_or_refused(world: AsyncClient, database: Database) -> None:
    await _import(world, "recipes", RECIPES)
    changed = RECIPES.replace("numMaxAgents: 1", "numMaxAgents: 7")
    assert (await _import(world, "recipes", changed)).json()["kept"] == ["mowing"]
    before = await stored(database)
    problem(await _import(world, "recipes", changed, existing="refuse"), 409)
    assert await stored(database) == before
    assert (await _import(world, "recipes", changed, existing="replace")).json()["replaced"] == ["mowing"]
    (found,) = (await world.get("/recipes", params={"name": "mowing"})).json()["items"]
    assert found["numMaxAgents"] == 7


async def test_a_replaced_service_is_what_its_file_says(world: AsyncClient) -> None:
    await _import(world, "services", HELYOS_SERVICES)
    plain = 'services: [{name: field_planner, type: field, url: "http://planner:9000/"}]'
    assert (await _import(world, "services", plain, existing="replace")).json()["replaced"] == ["field_planner"]
    (service,) = (await world.get("/services", params={"type": "field"})).json()["items"]
    shown = {name: service[name] for name in ("resultTimeout", "hasApikey", "requireAgentsData", "requireMapObjects")}
    assert shown == {
        "resultTimeout": 180,
        "hasApikey": False,
        "requireAgentsData": True,
        "requireMapObjects": ["__all__"],
    }


async def test_a_fallback_mission_may_stand_in_a_later_file(
    world: AsyncClient, database: Database, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text(
        "recipes: [{name: early, onAssignmentFailure: RELEASE_FAILED, fallbackMission: late"
        ", steps: [{step: a, serviceType: drive}]}]"
    )
    two.write_text("recipes: [{name: late, steps: [{step: a, serviceType: drive}]}]")
    loaded = await load_files(database, [one, two], activity_types())
    assert [one.created for one in loaded.values()] == [["early"], ["late"]]


async def test_everything_wrong_is_told_at_once_with_its_place(world: AsyncClient, database: Database) -> None:
    text = """recipes:
  - name: one
    steps:
      - step: a
        uses: no_such_type
      - step: b
        serviceType: drive
        dependencies: [z]
  - name: two
    nonsense: 1
  - name: one
    steps: [{step: a, serviceType: drive}]
missions:
  three:
    recipe:
      steps:
        - {step: x, service_type: drive, request_order: first}
"""
    before = await stored(database)
    found = problem(await _import(world, "recipes", text), 422)
    told = {error["field"]: error["detail"] for error in found["errors"]}
    assert set(told) == {
        "recipes.0.steps.0.uses",
        "recipes.0.steps.1.dependencies",
        "recipes.1.nonsense",
        "recipes.2.name",
        "missions.three.recipe.steps.0.request_order",
    }
    assert "line 5, column 15" in told["recipes.0.steps.0.uses"]
    assert "line 8, column 23" in told["recipes.0.steps.1.dependencies"]
    assert "line 10, column 15" in told["recipes.1.nonsense"]
    assert "line 17" in told["missions.three.recipe.steps.0.request_order"]
    assert await stored(database) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just text",
        "recipes: 3",
        "recipes: [3]",
        "recipe: []",
        "recipes: [",
        "recipes: []\nrecipes: []",
        "recipes:\n  - name: a\n    name: b",
        "recipes:\n  - name: !!python/object/apply:os.system ['true']",
        "recipes:\n  - {name: a, settings: {x: .nan}}",
        "recipes:\n  - {name: a, settings: !!binary aGVsbG8=}",
        "recipes:\n  - {name: a, settings: {x: !!binary aGVsbG8=}}",
        'recipes:\n  - {name: a, settings: {x: "\\0"}}',
        "a: &a [*a]\nrecipes: []",
        "x: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"x{n}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(8)),
        "[" * 5000,
        "services: [{name: a, type: b, url: 'http://c/'}]",
        "--- {}\n--- {}",
        "recipes:\n  - {name: a, settings: {x: 2024-13-45}}\n  - 1",
        "recipes: [{name: a, numMaxAgents: " + "9" * 5000 + "}]",
    ],
    ids=range(20),
)
async def test_files_that_cannot_be_taken(world: AsyncClient, database: Database, text: str) -> None:
    before = await stored(database)
    problem(await _import(world, "recipes", text), 422)
    assert await stored(database) == before


async def test_a_file_is_taken_whole_or_not_at_all(world: AsyncClient, database: Database) -> None:
    text = """services:
  - {name: fine, type: fine, url: 'http://a/'}
  - {name: clash, type: drive, url: 'http://a/'}
"""
    before = await stored(database)
    found = problem(await _import(world, "services", text), 422)
    assert found["errors"][0]["field"] == "services.1"
    assert await stored(database) == before


async def test_recipes_of_one_file_may_fall_back_on_each_other(world: AsyncClient) -> None:
    entry = (
        "  {}: {{on_assignment_failure: RELEASE_FAILED, fallback_mission: {},"
        " recipe: {{steps: [{{step: a, service_type: drive}}]}}}}\n"
    )
    both = "missions:\n" + entry.format("drive", "tow") + entry.format("tow", "tow")
    assert (await _import(world, "recipes", both)).json()["created"] == ["drive", "tow"]
    answer = await _import(world, "recipes", "missions:\n" + entry.format("fly", "repair"))
    error = problem(answer, 422)["errors"][0]
    assert (error["field"], error["value"]) == ("missions.fly.fallback_mission", "repair")


async def test_no_utf_8(world: AsyncClient) -> None:
    problem(await world.post("/recipes/import", content=b"recipes: \xff"), 422)


async def test_files_are_loaded_at_start_and_kept_afterwards(
    world: AsyncClient, database: Database, tmp_path: Path
) -> None:
    both = tmp_path / "both.yml"
    both.write_text(RECIPES + "services:\n  - {name: reporter, type: report, url: 'http://r/'}\n")
    first = await load_files(database, [both], activity_types())
    assert sorted(first[both].created) == ["mowing", "reporter"]
    names = [(payload["name"], actor) for _, payload, _, actor in (await changes(database))[-2:]]
    assert names == [("reporter", "system"), ("mowing", "system")]
    before = await stored(database)
    again = await load_files(database, [both], activity_types())
    assert sorted(again[both].kept) == ["mowing", "reporter"]
    assert await stored(database) == before


async def test_a_file_that_cannot_be_loaded_is_named(world: AsyncClient, database: Database, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("recipes: [{nam: x}]")
    for path in (bad, tmp_path / "missing.yml"):
        with pytest.raises(Refused, match=path.name):
            await load_files(database, [path], activity_types())


def test_files_are_set_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_RECIPE_FILES", "a.yml, b/c.yml")
    assert Settings().recipe_files == [Path("a.yml"), Path("b/c.yml")]
