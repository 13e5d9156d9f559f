"""What is refused of an `agentSelector`, and how it and named agents replace each other in a draft."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.api.conftest import MISSION, problem

CHOICE = {name: value for name, value in MISSION.items() if not name.startswith("agent")} | {"status": "draft"}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"agentSelector": {"agentClass": "boat"}}, "agentSelector.agentClass", "charge_station"),
        ({"agentSelector": {"colour": "red"}}, "agentSelector.colour", ""),
        ({"agentSelector": {"count": 0}}, "agentSelector.count", ""),
        ({"agentSelector": {"yardUid": "nowhere"}}, "agentSelector.yardUid", "nowhere"),
        ({"agentSelector": {}, "agentIds": [1]}, "agentSelector", "beside named agents"),
        ({"agentSelector": {}, "waitFreeAgent": False}, "waitFreeAgent", "when they are reserved"),
    ],
)
async def test_selector_that_cannot_be_is_refused(
    world: AsyncClient, fields: dict[str, Any], field: str, words: str
) -> None:
    answer = await world.post("/work-processes", json=CHOICE | fields)
    (error,) = problem(answer, 422)["errors"]
    assert error["field"] == field
    assert words in str(error)


async def test_more_agents_than_the_recipe_takes_are_refused(world: AsyncClient) -> None:
    answer = await world.post("/work-processes", json=CHOICE | {"agentSelector": {"count": 3}})
    (error,) = problem(answer, 422)["errors"]
    assert (error["field"], error["value"]) == ("agentSelector.count", 3)


async def test_naming_agents_and_describing_them_replace_each_other(world: AsyncClient) -> None:
    draft = (await world.post("/work-processes", json=CHOICE | {"agentSelector": {"yardId": 1}})).json()
    assert (draft["agentSelector"]["yardUid"], draft["agentIds"]) == ("north", [])
    named = (await world.patch(f"/work-processes/{draft['id']}", json={"agentIds": [1]})).json()
    assert (named["agentSelector"], named["agentIds"]) == (None, [1])
    again = (await world.patch(f"/work-processes/{draft['id']}", json={"agentSelector": {}})).json()
    assert (again["agentSelector"]["agentClass"], again["agentIds"]) == ("vehicle", [])
    refused = await world.patch(f"/work-processes/{draft['id']}", json={"waitFreeAgent": False})
    assert problem(refused, 422)["errors"][0]["field"] == "waitFreeAgent"
