"""What the API is told of simulated devices."""

import json

import httpx
import pytest

from examples.instruments.registration import register

IDS = {"LJ01D": 5, "SBE37_SIM_02": 7}


async def test_each_device_gets_its_class_its_name_in_mission_files_and_its_platform() -> None:
    told: list[tuple[str, object]] = []

    def api(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            key = IDS.get(request.url.params["uuid"])
            return httpx.Response(200, json={"items": [] if key is None else [{"id": key}]})
        told.append((request.url.path, json.loads(request.content)))
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://muster") as client:
        assert await register(client, "LJ01D", ["SBE37_SIM_02"]) == 5
        with pytest.raises(LookupError, match="no agent SBE37_SIM_99"):
            await register(client, "LJ01D", ["SBE37_SIM_99"])
    assert told == [
        ("/agents/5", {"agentClass": "platform"}),
        ("/agents/7", {"agentClass": "instrument", "alias": "PRE:SBE37_SIM_02", "parentId": 5}),
        ("/agents/5", {"agentClass": "platform"}),
    ]
