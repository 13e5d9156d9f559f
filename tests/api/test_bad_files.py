"""What is wrong with a file of recipes or services, in our form and in helyOS's: all at once, with places."""

import re
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from activities.registry import activity_types
from api.imports import load_files
from api.problems import FieldProblem, Refused
from api.yaml_places import read_yaml
from store.database import Database
from tests.api.conftest import problem, stored

OURS = """\
recipes:
  - name: keys
    colour: red
    steps:
      - {step: a, serviceType: drive, speeed: 1}
  - name: graph
    steps:
      - {step: a, serviceType: drive}
      - {step: a, serviceType: drive}
      - {step: b, serviceType: drive, dependencies: [x]}
      - {step: c, serviceType: drive, dependencies: [d]}
      - {step: d, serviceType: drive, dependencies: [c]}
  - name: types
    steps:
      - {step: a, uses: juggle}
      - {step: b}
      - {step: c, serviceType: drive, speeed: 1, dependencies: [x]}
  - {name: fine, steps: [{step: a, serviceType: drive}]}
services:
  - {name: s1, type: t1, url: "ftp://x/", colour: red}
  - {name: s2, type: t2, url: "http://x/", healthEndpoint: "ftp://y"}
  - {name: s3, type: t3, url: "http://x/"}
  - {name: s3, type: t4, url: "http://x/"}
  - {name: s4, type: t4, url: "http://x/"}
"""
OURS_WRONG = {
    ("recipes.0.colour", 3, 13),
    ("recipes.0.steps.0.speeed", 5, 47),
    ("recipes.1.steps.1.step", 9, 16),
    ("recipes.1.steps.2.dependencies", 10, 53),  # unknown
    ("recipes.1.steps.3.dependencies", 11, 53),  # a cycle
    ("recipes.2.steps.0.uses", 15, 25),
    ("recipes.2.steps.1.input.service_type", 16, 9),
    ("recipes.2.steps.2.speeed", 17, 47),
    ("recipes.2.steps.2.dependencies", 17, 64),
    ("services.0.url", 20, 31),
    ("services.0.colour", 20, 51),
    ("services.1.healthEndpoint", 21, 60),
    ("services.3.name", 23, 12),
    ("services.4.type", 24, 22),
}
HELYOS = """\
version: '2.0'
missions:
  keys:
    colour: red
    name: another
    recipe:
      stages: 1
      steps:
        - {step: a, service_type: drive, speeed: 1}
  graph:
    recipe:
      steps:
        - {step: a, service_type: drive}
        - {step: a, service_type: drive}
        - {step: b, service_type: drive, dependencies: '["x"]'}
        - {step: c, service_type: drive, dependencies: '["e"]'}
        - {step: d, service_type: drive, dependencies: '["b"'}
        - {step: e, service_type: drive, dependencies: '["c"]'}
  types:
    recipe:
      steps:
        - {step: a, uses: juggle}
        - {step: b}
  nothing: 3
  graph:
    colour: red
    colour: blue
    recipe: {steps: [{step: a}]}
services:
  s1: {type: t1, domain: Path planer, url: "planner:9000", colour: red, timeout: long}
  s2: {type: t2, url: "http://x/", health_endpoint: "ftp://y", context: {map_dat: true, map_data: 3}}
  s3: {type: t3, url: "http://x/", config: '{"a": '}
  s4: {type: t3, url: "http://x/"}
  s5: {type: t3, url: "http://x/"}
"""
HELYOS_WRONG = {
    ("missions.keys.colour", 4, 13),
    ("missions.keys.name", 5, 11),
    ("missions.keys.recipe.stages", 7, 15),
    ("missions.keys.recipe.steps.0.speeed", 9, 50),
    ("missions.graph.recipe.steps.1.step", 14, 18),
    ("missions.graph.recipe.steps.2.dependencies", 15, 56),  # unknown
    ("missions.graph.recipe.steps.3.dependencies", 16, 56),  # a cycle
    ("missions.graph.recipe.steps.4.dependencies", 17, 56),
    ("missions.types.recipe.steps.0.uses", 22, 27),
    ("missions.types.recipe.steps.1.input.service_type", 23, 11),
    ("missions.nothing", 24, 12),
    ("missions.graph", 25, 3),
    ("missions.graph (again).colour", 26, 13),
    ("missions.graph (again).colour", 27, 5),
    ("missions.graph (again).recipe.steps.0.input.service_type", 28, 22),
    ("services.s1.url", 30, 44),
    ("services.s1.domain", 30, 26),
    ("services.s1.colour", 30, 68),
    ("services.s1.timeout", 30, 82),
    ("services.s2.health_endpoint", 31, 53),
    ("services.s2.context.map_dat", 31, 83),
    ("services.s2.context.map_data", 31, 99),
    ("services.s3.config", 32, 44),
    ("services.s5.type", 34, 14),
}


def places(errors: list[Any]) -> set[tuple[str, int, int]]:
    """Field, line and column of each error."""
    found = set()
    for error in errors:
        one = error if isinstance(error, dict) else error.model_dump()
        at = re.search(r"line (\d+), column (\d+)\)$", one["detail"])
        assert at, one
        found.add((one["field"], int(at[1]), int(at[2])))
    return found


FORMS = [
    pytest.param(OURS, OURS_WRONG, id="ours"),
    pytest.param(HELYOS, HELYOS_WRONG, id="helyos"),
]


@pytest.mark.parametrize(("text", "wrong"), FORMS)
async def test_upload_tells_everything_and_stores_nothing(
    world: AsyncClient, database: Database, text: str, wrong: set[tuple[str, int, int]]
) -> None:
    before = await stored(database)
    for kind in ("recipes", "services"):
        answer = problem(await world.post(f"/{kind}/import", content=text), 422)
        assert places(answer["errors"]) == wrong
    assert await stored(database) == before


@pytest.mark.parametrize(("text", "wrong"), FORMS)
async def test_start_tells_everything_and_stores_nothing(
    world: AsyncClient, database: Database, tmp_path: Path, text: str, wrong: set[tuple[str, int, int]]
) -> None:
    good, bad, worse = (tmp_path / name for name in ("good.yml", "bad.yml", "worse.yml"))
    good.write_text("recipes: [{name: good, steps: [{step: a, serviceType: drive}]}]")
    bad.write_text(text)
    worse.write_text("recipes: [")
    before = await stored(database)
    with pytest.raises(Refused) as refused:
        await load_files(database, [good, bad, worse], activity_types())
    told = list[FieldProblem](refused.value.errors)
    assert all(str(path) in {(error.field or "").partition(":")[0] for error in told} for path in (bad, worse))
    of_bad = [error for error in told if str(error.field).startswith(f"{bad}: ")]
    assert {(field.removeprefix(f"{bad}: "), *at) for field, *at in places(of_bad)} == wrong
    assert await stored(database) == before


async def test_what_only_the_store_knows_has_its_place_too(world: AsyncClient, database: Database) -> None:
    text = """services:
  - {name: s1, type: drive, url: "http://x/"}
  - {name: s2, type: drive, url: "http://x/", enabled: false}
recipes:
  - {name: r1, onAssignmentFailure: RELEASE_FAILED, fallbackMission: nobody, steps: [{step: a, serviceType: drive}]}
"""
    before = await stored(database)
    answer = problem(await world.post("/services/import", content=text.partition("recipes:")[0]), 422)
    assert places(answer["errors"]) == {("services.0", 2, 5)}
    answer = problem(await world.post("/recipes/import", content="recipes:" + text.partition("recipes:")[2]), 422)
    assert places(answer["errors"]) == {("recipes.0.fallbackMission", 2, 70)}
    assert await stored(database) == before


async def test_what_the_store_refuses_of_several_files_is_told_at_once(
    world: AsyncClient, database: Database, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text('services: [{name: s1, type: drive, url: "http://x/"}]')
    two.write_text(
        "recipes: [{name: r1, onAssignmentFailure: RELEASE_FAILED, fallbackMission: nobody"
        ", steps: [{step: a, serviceType: drive}]}]"
    )
    before = await stored(database)
    with pytest.raises(Refused) as refused:
        await load_files(database, [one, two], activity_types())
    assert {field for field, *_ in places(list(refused.value.errors))} == {
        f"{one}: services.0",
        f"{two}: recipes.0.fallbackMission",
    }
    assert await stored(database) == before


async def test_a_name_in_two_files_is_refused(world: AsyncClient, database: Database, tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text("recipes: [{name: twice, steps: [{step: a, serviceType: drive}]}]")
    two.write_text(
        "recipes:\n  - {name: once, steps: [{step: a, serviceType: drive}]}\n  - {name: twice"
        ", steps: [{step: a, serviceType: drive}]}"
    )
    before = await stored(database)
    with pytest.raises(Refused, match=str(one)) as refused:
        await load_files(database, [one, two], activity_types())
    assert places(list(refused.value.errors)) == {(f"{two}: recipes.1.name", 3, 12)}
    assert await stored(database) == before


def test_merged_key_may_be_written_again_and_its_mapping_used_again() -> None:
    read = read_yaml("a: &x {<<: {k: 1}, k: 2}\nb: *x")
    assert (read.document, read.doubles) == ({"a": {"k": 2}, "b": {"k": 2}}, [])


async def test_all_names_that_are_taken_are_told(world: AsyncClient, database: Database) -> None:
    services = ['{name: s1, type: t1, url: "http://x/"}', '{name: s2, type: t2, url: "http://x/"}']
    text = "services:\n" + "".join(f"  - {one}\n" for one in services)
    assert (await world.post("/services/import", content=text)).status_code == 200
    before = await stored(database)
    answer = problem(await world.post("/services/import?existing=refuse", content=text), 409)
    assert places(answer["errors"]) == {("services.0.name", 2, 12), ("services.1.name", 3, 12)}
    assert await stored(database) == before


@pytest.mark.parametrize(
    ("text", "says", "place"),
    [
        ("recipes: []\n# \x00", "contains the character U+0000", "line 2, column 3"),
        (f"recipes:\n  - {{name: {'9' * 5000}}}", "999… is not a value that can be read", "line 2, column 12"),
        ("recipes: " + "[" * 3000, "is nested too deep", ""),
    ],
    ids=["a control character", "a long number", "deep"],
)
async def test_what_cannot_be_read_is_told_in_plain_words(world: AsyncClient, text: str, says: str, place: str) -> None:
    (error,) = problem(await world.post("/recipes/import", content=text), 422)["errors"]
    assert says in error["detail"]
    assert place in error["detail"]
