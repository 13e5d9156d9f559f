"""A planner and its trucks, as processes of their own, and what Muster must know of them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from cli.stack.ports import Ports
from cli.stack.processes import Processes
from settings import Settings

HERE = Path(__file__).parent
AGENTS_PYTHON = HERE.parent / ".venv-agents" / "bin" / "python"
YARD = "demo"


class CannotRun(Exception):
    """Why the demo or its fleet cannot run, and what to do."""


class Crew:
    """One planner service and some trucks on the helyOS SDK."""

    def __init__(
        self,
        settings: Settings,
        api: httpx.AsyncClient,
        processes: Processes,
        folder: Path,
        *,
        amqp_url: str,
        service_type: str,
        trucks: tuple[str, ...],
    ) -> None:
        """`folder`: for the trucks' own logs (those of the last time are removed) and the planner's port."""
        self.trucks = trucks
        self._settings, self._api, self._processes, self._folder = settings, api, processes, folder
        self._amqp = urlsplit(amqp_url)
        self._service_type = service_type
        self._planner = f"{service_type}-planner"
        self._planner_port = 0

    async def start(self, *, recipes: str) -> None:
        """Make yard, service and recipes known, then start the processes; `recipes`: keep or replace what is there."""
        if not AGENTS_PYTHON.exists():
            raise CannotRun(f"{AGENTS_PYTHON} is missing: run `make setup`.")
        await self._processes.stop_leftovers([self._planner, *self.trucks])
        # The same port as the last time: missions under way know the planner by it. A planner that a killed fleet left
        # behind had it until now.
        self._planner_port = Ports(self._folder / "ports.json").choose({"planner": 0})["planner"]
        await self._register(recipes)
        await self.start_missing()

    async def start_missing(self) -> None:
        """Start what does not run."""
        for name in (self._planner, *self.trucks):
            child = self._processes.children.get(name)
            if child is not None and child.process.returncode is None:
                continue
            if name == self._planner:
                command: list[str | Path] = [sys.executable, HERE / "planner.py", "--port", str(self._planner_port)]
                await self._processes.spawn(name, command)
            else:
                await self._start_truck(name)

    async def stop(self) -> None:
        """Stop them: the trucks check out."""
        await asyncio.gather(*(self._processes.stop(name) for name in (*self.trucks, self._planner)))

    async def agents(self) -> dict[str, dict[str, Any]]:
        """The trucks as the API shows them, by uuid."""
        answers = await asyncio.gather(*(self._api.get("/agents", params={"uuid": uuid}) for uuid in self.trucks))
        return {item["uuid"]: item for answer in answers for item in answer.raise_for_status().json()["items"]}

    def log(self, truck: str) -> list[dict[str, Any]]:
        """What a truck wrote into its own log, oldest first."""
        file = self._log_file(truck)
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _log_file(self, truck: str) -> Path:
        return self._folder / f"{truck}.jsonl"

    async def _start_truck(self, uuid: str) -> None:
        settings, amqp = self._settings, self._amqp
        self._log_file(uuid).unlink(missing_ok=True)
        await self._processes.spawn(
            uuid,
            [
                *(AGENTS_PYTHON, "-u", HERE / "agent.py", "--uuid", uuid, "--yard", YARD),
                *("--host", amqp.hostname or "127.0.0.1", "--port", str(amqp.port or 5672)),
                *("--vhost", unquote(amqp.path[1:]) or "/", "--log", self._log_file(uuid)),
            ],
            env={
                "REGISTRATION_TOKEN": settings.agent_registration_token.get_secret_value(),
                "AGENT_ANONYMOUS_EXCHANGE": settings.anonymous_exchange,
                "AGENTS_UL_EXCHANGE": settings.uplink_exchange,
                "AGENTS_DL_EXCHANGE": settings.downlink_exchange,
            },
        )

    async def _register(self, recipes: str) -> None:
        """All of it may be there from the last time; only the planner's address is new."""
        yard = await self._api.post("/yards", json={"uid": YARD, "name": "Demo yard", "unit": "m"})
        if yard.status_code != 409:
            _check(yard)
        service = {
            "name": self._planner,
            "type": self._service_type,
            "url": f"http://127.0.0.1:{self._planner_port}/plan/",
            "resultTimeout": 60,
            "requireAgentsData": False,  # only the mission's own agents
        }
        # JSON is YAML too.
        _check(await self._import("services", json.dumps({"services": [service]}), "replace"))
        _check(await self._import("recipes", (HERE / "recipes.yaml").read_text(), recipes))

    async def _import(self, kind: str, text: str, existing: str) -> httpx.Response:
        headers = {"Content-Type": "application/yaml"}
        return await self._api.post(f"/{kind}/import", content=text, params={"existing": existing}, headers=headers)


def _check(response: httpx.Response) -> None:
    if response.is_error:
        raise CannotRun(f"The API refused {response.request.method} {response.request.url.path}: {response.text}")


def api_client(url: str, token: str) -> httpx.AsyncClient:
    """A client of Muster's API."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=20, trust_env=False)
