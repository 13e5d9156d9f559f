"""Bodies that once were an error of ours: they are the client's."""

import pytest
from httpx import AsyncClient

from tests.api.conftest import created, problem

GREAT = b"1" + b"0" * 5000
MISSIONS = "/platforms/LJ01D/missions"


@pytest.fixture
async def station(api: AsyncClient) -> AsyncClient:
    """A platform."""
    await created(api, "/agents", {"uuid": "LJ01D", "agentClass": "platform"})
    return api


@pytest.mark.parametrize("body", [GREAT, b'{"missionId": "m1", "missionYaml": "a", "maxWait": %s}' % GREAT])
async def test_a_number_of_thousands_of_digits_is_no_json(station: AsyncClient, body: bytes) -> None:
    for path in (MISSIONS, "/mission-files/validate"):
        answer = await station.post(path, content=body, headers={"Content-Type": "application/json"})
        assert "digits" in problem(answer, 400)["detail"]


async def test_a_mission_file_that_is_a_nul_is_no_mission_file(station: AsyncClient) -> None:
    answer = await station.post(
        MISSIONS, params={"missionId": "m1"}, content=rb'"\u0000"', headers={"Content-Type": "application/yaml"}
    )
    assert problem(answer, 422)["errors"]


@pytest.mark.parametrize(
    "text",
    [
        "recipes: [{name: 59" + ":59" * 3000 + "}]",
        "recipes: [{name: 9999-99-99}]",
        "recipes: [{name: " + "9" * 5000 + "}]",
        "recipes: [{name: 59" + ":59" * 400 + ".5}]",
    ],
)
async def test_a_yaml_number_that_cannot_be_one_is_told_with_its_place(api: AsyncClient, text: str) -> None:
    for path in ("/recipes/import", "/services/import"):
        answer = await api.post(path, content=text, headers={"Content-Type": "application/yaml"})
        assert "line 1" in problem(answer, 422)["detail"]
