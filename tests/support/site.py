"""A whole Muster for tests: API and worker as processes on real services, SDK agents, a scripted planner."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
from temporalio.client import Client, WorkflowHandle

from cli.stack.addresses import Addresses
from cli.stack.ports import any_free_port
from engine.client import DATA_CONVERTER
from tests.support import services as test_services
from tests.support.event_log import check_events_at
from tests.support.planner import Planner, Script, Service
from tests.support.sdk_process import SdkAgent
from tests.support.services import WorkerAddresses

ROOT = Path(__file__).parents[2]
YARD = "1"
TOKEN = "token-of-the-tests"
ENDED = frozenset({"succeeded", "failed", "canceled"})

# Short waits, so that tests of time-outs are quick; the ratios between them stay as they are by default.
SHORT_TIMES = {
    "MUSTER_RESERVE_READY_TIMEOUT": "3",
    "MUSTER_RESERVE_RESEND_INTERVAL": "1",
    "MUSTER_RESERVE_RETURN_WINDOW": "1",
    "MUSTER_CANCEL_RESEND_INTERVAL": "1",
    "MUSTER_PLANNER_POLL_INITIAL": "0.1",
    "MUSTER_PLANNER_POLL_MAX": "0.5",
    "MUSTER_HEALTH_CHECK_INTERVAL": "0.5",
    "MUSTER_GRACEFUL_SHUTDOWN": "5",
}

# The tests' receivers are on this machine.
WEBHOOKS_HERE = {
    "MUSTER_WEBHOOK_ALLOW_HTTP": "true",
    "MUSTER_WEBHOOK_ALLOW_PRIVATE": "true",
    "MUSTER_WEBHOOK_SCHEDULE": "0.2,0.2,0.2",
}


class Program:
    """One process of Muster: started, killed, started again."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], folder: Path, code: Path = ROOT
    ) -> None:
        self._name, self._command, self._folder, self._code = name, command, folder, code
        self._environment = {**environment, "PYTHONPATH": str(code)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Start it, if it does not run; with other settings than the site's for this one life."""
        if self._process is not None and self._process.poll() is None:
            return
        environment = {**self._environment, **settings}
        with (self._folder / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, cwd=self._code, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM: what is in hand is finished."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def log(self) -> str:
        """What it printed."""
        return (self._folder / f"{self._name}.log").read_text()


class Site:
    """One installation."""

    def __init__(
        self,
        addresses: WorkerAddresses,
        folder: Path,
        planner: Planner,
        temporal: Client,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.addresses, self.folder, self.planner, self.temporal = addresses, folder, planner, temporal
        port = any_free_port()
        environment = {
            **os.environ,
            **addresses.environment(),
            **SHORT_TIMES,
            **WEBHOOKS_HERE,
            **settings,
            "MUSTER_DATA_DIR": str(folder),
            "MUSTER_API_PORT": str(port),
            "MUSTER_API_TOKEN": TOKEN,
        }
        self.worker = Program("worker", [sys.executable, "-m", "worker"], environment, folder)
        self.api_program = Program("api", [sys.executable, "-m", "api"], environment, folder)
        self.api = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=20,
            # Shorter than the server's: a connection that it just closes must not be used once more.
            limits=httpx.Limits(keepalive_expiry=2),
        )
        self._root = f"http://127.0.0.1:{port}"
        self._agents: list[SdkAgent] = []
        self._environment = environment

    def another_worker(self, name: str = "worker-2", code: Path = ROOT) -> Program:
        """A second worker process, maybe of other code, not started; whoever starts it stops it."""
        return Program(name, [sys.executable, "-m", "worker"], self._environment, self.folder, code)

    # --- set-up

    async def start(self) -> None:
        """Start API and worker, and make the yard."""
        self.api_program.start()
        self.worker.start()
        await until(self._is_ready, 60, lambda: self.api_program.log()[-2000:])
        await self.post("/yards", {"uid": YARD, "name": "Yard"})
        await until(lambda: self._says("worker runs"), 60, lambda: self.worker.log()[-2000:])

    async def _is_ready(self) -> bool:
        try:
            return (await self.api.get(f"{self._root}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _says(self, text: str) -> bool:
        return text in self.worker.log()

    async def stop(self) -> None:
        """End everything that was started here; then hold all events of it against the catalogue."""
        for agent in self._agents:
            agent.stop()
        self.worker.stop()
        self.api_program.stop()
        await self.api.aclose()
        await check_events_at(self.addresses.database_url)

    async def post(self, path: str, body: Any, status: int = 201, **headers: str) -> Any:
        """POST and check the status."""
        response = await self.api.post(path, json=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    async def get(self, path: str) -> Any:
        """GET."""
        response = await self.api.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    # --- agents

    async def agent(self, *options: str, uuid: str = "", listening: bool = True) -> "SiteAgent":
        """Start an SDK agent that checks in with the registration token; returns when it listens."""
        uuid = uuid or f"truck-{secrets.token_hex(3)}"
        for _ in range(4):
            process = await self._checked_in(uuid, options, listening=listening)
            if process is not None:
                break
        else:
            raise AssertionError(f"{uuid} could not check in")
        agent = SiteAgent(self, process, await self._agent_id(uuid))
        if listening:
            await agent.until_status("free")
        return agent

    async def mqtt_agent(self, *options: str) -> "SiteAgent":
        """Register an MQTT agent with an account, and start it."""
        uuid, password = f"truck-{secrets.token_hex(3)}", secrets.token_hex(8)
        account = {"uuid": uuid, "protocol": "MQTT", "account": {"password": password}}
        await self.post("/agents", account)
        return await self.agent(*self.speaks("MQTT"), "--password", password, *options, uuid=uuid)

    def speaks(self, protocol: str) -> tuple[str, ...]:
        """The option that makes an SDK agent speak this."""
        port = urlsplit(self.addresses.mqtt_url).port
        return ("--mqtt", str(port)) if protocol == "MQTT" else ()

    async def _checked_in(self, uuid: str, options: tuple[str, ...], *, listening: bool) -> SdkAgent | None:
        """Start the process; None if it gave up, as the SDK does when nobody answers within 10 s."""
        awaited = "listening" if listening else "checked_in"
        log = self.folder / f"{uuid}.jsonl"
        known = log.read_text().count(f'"event": "{awaited}"') if log.exists() else 0
        process = SdkAgent.start(
            self.addresses.amqp_url,
            self.folder,
            uuid,
            *("--yard", YARD, *options),
            token="0000-0000-0000-0000-0000",
        )
        self._agents.append(process)

        async def there_or_gone() -> bool:
            return len(process.records(awaited)) > known or process.process.poll() is not None

        await until(there_or_gone, 30, lambda: str(process.records()))
        return process if len(process.records(awaited)) > known else None

    async def _agent_id(self, uuid: str) -> int:
        found = await self.get(f"/agents?uuid={uuid}")
        return int(next(item["id"] for item in found["items"] if item["uuid"] == uuid))

    # --- missions

    async def recipe(self, script: Script, *, name: str = "", steps: Any = None, **fields: Any) -> tuple[str, Service]:
        """A recipe of one planner step, unless `steps` says otherwise; returns its name and the planner's service."""
        name = name or f"recipe-{secrets.token_hex(3)}"
        service = self.planner.service(name, script)
        timeout = fields.pop("resultTimeout", 60)
        await self.post(
            "/services",
            {"name": name, "type": name, "url": service.url, "apikey": "key", "resultTimeout": timeout},
        )
        steps = steps or [{"step": "plan", "serviceType": name}]
        await self.post("/recipes", {"name": name, "steps": steps, **fields})
        return name, service

    async def mission(self, recipe: str, agents: "list[SiteAgent]", data: Any = None, **fields: Any) -> "Mission":
        """Submit a mission, dispatched unless `status` says otherwise."""
        body = {
            "workProcessTypeName": recipe,
            "status": "dispatched",
            "yardUid": YARD,
            "agentIds": [agent.id for agent in agents],
            "data": data if data is not None else {},
            **fields,
        }
        return Mission(self, (await self.post("/work-processes", body))["id"])


class SiteAgent:
    """An SDK agent and what the API knows of it."""

    def __init__(self, site: Site, process: SdkAgent, agent_id: int) -> None:
        self.site, self.process, self.id, self.uuid = site, process, agent_id, process.uuid

    async def read(self) -> Any:
        """The agent as the API shows it."""
        return await self.site.get(f"/agents/{self.id}")

    async def until_status(self, status: str, timeout: float = 15) -> None:
        """Wait for a status and for being nobody's if it is `free`."""

        async def there() -> bool:
            agent = await self.read()
            return agent["status"] == status and (status != "free" or agent["reservedFor"] is None)

        await until(there, timeout, lambda: str(self.process.records()[-5:]))

    def assignments(self) -> list[Any]:
        """The data of each assignment that it got, in order; one that came twice is in it twice."""
        return [json_message(record)["body"] for record in self.process.records("assignment")]

    def heard(self, kind: str, mission: "Mission") -> list[dict[str, Any]]:
        """The records of one kind (reserve, assignment, cancel, release) that belong to a mission."""
        found = []
        for record in self.process.records(kind):
            message = json_message(record)
            part = message["body"] if kind in ("reserve", "release") else message["metadata"]
            if part["work_process_id"] == mission.id:
                found.append(record)
        return found


def json_message(record: dict[str, Any]) -> dict[str, Any]:
    """The inner message that an agent logged."""
    message = record["message"]
    assert isinstance(message, dict)
    return message


class Mission:
    """One mission, seen from outside."""

    def __init__(self, site: Site, work_process_id: int) -> None:
        self.site, self.id = site, work_process_id
        self.last: Any = None

    async def read(self) -> Any:
        """The mission as the API shows it."""
        self.last = await self.site.get(f"/work-processes/{self.id}")
        return self.last

    async def until(self, *statuses: str, timeout: float = 30) -> Any:
        """Wait for one of these statuses; fails at once if it ends otherwise."""

        async def there() -> Any:
            shown = await self.read()
            if shown["status"] in statuses:
                return shown
            assert shown["status"] not in ENDED, f"ended as {shown['status']}: {shown['failure']}"
            return None

        return await until(there, timeout, lambda: f"{self.last}\n{self.site.worker.log()[-3000:]}")

    async def until_waiting(self, code: str, timeout: float = 15) -> Any:
        """Wait until it says this as its reason."""

        async def says() -> Any:
            shown = await self.read()
            return next((reason for reason in shown["waitingReasons"] if reason["code"] == code), None)

        return await until(says, timeout, lambda: f"{self.last}\n{self.site.worker.log()[-3000:]}")

    async def cancel(self, reason: str = "test") -> None:
        """Cancel it through the API."""
        await self.site.post(f"/work-processes/{self.id}/cancel", {"reason": reason}, status=200)

    async def events(self, *types: str) -> list[Any]:
        """Its events, of these types or all."""
        items = (await self.site.get(f"/work-processes/{self.id}/events?limit=1000"))["items"]
        return [event for event in items if not types or event["type"] in types]

    async def statuses(self) -> list[str]:
        """The statuses that it went through after `draft`."""
        return [event["payload"]["to"] for event in await self.events("work_process.status_changed")]

    async def assignments(self) -> list[Any]:
        """Its assignments as the API shows them."""
        return list((await self.site.get(f"/work-processes/{self.id}/assignments?limit=200"))["items"])

    async def run(self) -> WorkflowHandle[Any, Any]:
        """Its run in the engine."""
        return self.site.temporal.get_workflow_handle((await self.read())["workflowId"])

    async def run_status(self) -> str:
        """How its run in the engine stands, e.g. COMPLETED, once it is closed or the time is over."""
        handle = await self.run()

        async def closed() -> str:
            status = (await handle.describe()).status
            assert status is not None
            return "" if status.name == "RUNNING" else status.name

        return str(await until(closed, 15))


async def until(condition: Callable[[], Any], timeout: float, explain: Callable[[], str] = lambda: "") -> Any:
    """Wait until an async condition holds and return its value; the failure says what `explain` says."""
    deadline, pause = time.monotonic() + timeout, 0.02
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {explain()}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, 0.1)  # who asks all the time takes the machine from what it waits for


@asynccontextmanager
async def running_site(services: Addresses, folder: Path, **settings: str) -> AsyncIterator[Site]:
    """A site with a database, a vhost and a namespace of its own; `settings`: beside the short times of tests."""
    name = f"muster_site_{secrets.token_hex(4)}"
    async with test_services.private_part_of(services, name) as addresses, Planner().running() as planner:
        temporal = await Client.connect(
            addresses.temporal_address, namespace=addresses.temporal_namespace, data_converter=DATA_CONVERTER
        )
        site = Site(addresses, folder, planner, temporal, settings)
        try:
            await site.start()
            yield site
        finally:
            await site.stop()
