"""The demo fleet's crew when the fleet was killed and starts again."""

import json
from pathlib import Path

import httpx

from cli.stack.ports import is_free
from cli.stack.processes import Processes
from examples.crew import Crew
from settings import Settings
from tests.support.muster_command import eventually


async def test_a_killed_fleets_planner_has_the_same_address_again(tmp_path: Path) -> None:
    """Missions under way know the planner by its address."""
    urls: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/services/import"):
            urls.append(json.loads(request.content)["services"][0]["url"])
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(note), base_url="http://muster") as api:

        def crew() -> Crew:
            processes = Processes(tmp_path, "test")
            return Crew(Settings(), api, processes, tmp_path, amqp_url="amqp://x/", service_type="drive", trucks=())

        killed, again = crew(), crew()
        try:
            await killed.start(recipes="keep")
            port = httpx.URL(urls[0]).port
            assert port
            eventually(lambda: not is_free(port), "the planner", 10)
            again = crew()
            await again.start(recipes="keep")
        finally:
            await again.stop()
            await killed.stop()
    assert urls[0] == urls[1]
