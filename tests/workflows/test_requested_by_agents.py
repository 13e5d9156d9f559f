"""What agents on the SDK ask for by themselves."""

import json
import secrets

from tests.support.site import Mission, Site, until


async def test_an_sdk_agent_requests_a_mission_for_itself(site: Site) -> None:
    uuid = f"truck-{secrets.token_hex(3)}"
    recipe, service = await site.recipe(
        lambda call: {"status": "successful", "results": [{"agent_uuid": uuid, "assignment": {"go": 1}}]}
    )
    asked = json.dumps({"mission_name": recipe, "data": {"to": "gate"}, "agent_uuids": [uuid]})
    truck = await site.agent("--request-mission", asked, uuid=uuid)

    async def found() -> list[int]:
        return [item["id"] for item in (await site.get(f"/work-processes?type={recipe}"))["items"]]

    (mission_id,) = await until(found, 15)
    await Mission(site, mission_id).until("succeeded")
    assert truck.assignments() == [{"go": 1}]
    assert service.calls[0].body["request"] == {"to": "gate"}
