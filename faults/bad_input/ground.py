"""What bad input is thrown at: a whole Muster of its own, with agents that do what they are told."""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from api.token import ensure_token
from benchmarks.agents import react
from cli.stack.launcher import Stack, StackOptions
from examples.thin_agent import CheckIn, ThinAgent, state
from faults.bad_input.logs import errors_in
from faults.waiting import until
from missions.transitions import WORK_PROCESS_ENDED
from settings import Settings

READ_TIMEOUT = 5.0
"""Seconds that the API waits for a request."""


class GroundStack(Stack):
    """A stack whose programs get settings of their own beside the addresses."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "MUSTER_"))]:
            del os.environ[name]  # all servers are ours: bad input must not hit a stack that someone uses
        own = Settings(database_url="", amqp_url="", amqp_management_url="", temporal_ui_url="", api_url="", api_port=0)
        super().__init__(own, folder, options=StackOptions(disposable=True, usual_ports=False))
        self._own = settings

    def environment(self) -> dict[str, str]:
        """The addresses, and the settings."""
        return {
            **super().environment(),
            "MUSTER_REQUEST_READ_TIMEOUT": str(READ_TIMEOUT),
            "MUSTER_WEBHOOK_ALLOW_PRIVATE": "true",
            **self._own,
        }


class Agent:
    """One thin agent: succeeds with whatever it is assigned."""

    def __init__(self, settings: Settings, uuid: str) -> None:
        self.uuid, self.id = uuid, 0
        self._thin = ThinAgent(settings, uuid, self._hear)
        self.missions: set[int] = set()
        """Whose assignments it got."""

    async def listen(self, password: str) -> None:
        """Connect, listen, and say that it is free."""
        await self._thin.listen(password)
        await self._thin.report(state("free", None))

    async def close(self) -> None:
        """Go."""
        await self._thin.close()

    async def _hear(self, message: dict[str, Any]) -> None:
        reaction = react(message)
        if reaction is None:
            return
        if message["type"] == "assignment_execution":
            self.missions.add(reaction.work_process_id)
        for each in reaction.states:
            await self._thin.report(each)


@dataclass
class Ground:
    """One running Muster."""

    stack: GroundStack
    http: httpx.AsyncClient
    token: str
    agents: list[Agent] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings that lead to it."""
        assert self.stack.addresses is not None
        return Settings(amqp_url=self.stack.addresses.amqp_url, database_url=self.stack.addresses.database_url)

    async def post(self, path: str, body: Any, **headers: str) -> Any:
        """POST what must be taken."""
        return _taken(await self.http.post(path, json=body, headers=headers))

    async def patch(self, path: str, body: Any) -> Any:
        """PATCH what must be taken."""
        return _taken(await self.http.patch(path, json=body))

    async def get(self, path: str, **query: Any) -> Any:
        """GET what must be there."""
        response = await self.http.get(path, params=query)
        response.raise_for_status()
        return response.json()

    async def check_in(self, yard: str, uuids: list[str]) -> list[Agent]:
        """Agents of a yard, that listen and are known to be free."""
        check_in = CheckIn(self.settings)
        await check_in.connect()
        new = [Agent(self.settings, uuid) for uuid in uuids]
        try:
            for agent in new:
                await agent.listen(await check_in.password(agent.uuid, yard))
        finally:
            self.agents += new
            await check_in.close()
        for agent in new:
            agent.id = await self._free(agent.uuid)
        return new

    async def _free(self, uuid: str) -> int:
        async def free() -> int:
            items = (await self.get("/agents", uuid=uuid))["items"]
            return next((item["id"] for item in items if item["uuid"] == uuid and item["status"] == "free"), 0)

        return int(await until(free, 30))

    async def ended(self, mission: int, within: float) -> Any:
        """The mission once it has ended; raises TimeoutError that says how it stands."""
        shown: Any = None

        async def has_ended() -> Any:
            nonlocal shown
            shown = await self.get(f"/work-processes/{mission}")
            return shown if shown["status"] in WORK_PROCESS_ENDED else None

        try:
            return await until(has_ended, within)
        except TimeoutError:
            raise TimeoutError(f"mission {mission} is {shown['status']!r}: {shown['waitingReasons']}") from None

    async def still_works(self) -> list[str]:
        """What is wrong with an ordinary mission of new makings now; nothing, if it runs to its end."""
        name = f"after-{secrets.token_hex(4)}"
        try:
            await self.post("/yards", {"uid": name, "name": name})
            await self.post("/services", {"name": name, "type": name, "isDummy": True, "url": "http://127.0.0.1:9"})
            await self.post("/recipes", {"name": name, "steps": [{"step": "plan", "serviceType": name}]})
            (agent,) = await self.check_in(name, [name])
            body = {"workProcessTypeName": name, "status": "dispatched", "yardUid": name, "agentIds": [agent.id]}
            mission = (await self.post("/work-processes", {**body, "data": {"drive": 1}}))["id"]
            shown = await self.ended(mission, 30)
        except (RuntimeError, TimeoutError, httpx.HTTPError) as error:
            return [f"afterwards an ordinary mission does not run: {type(error).__name__}: {error}"]
        if shown["status"] != "succeeded" or mission not in agent.missions:
            return [f"afterwards an ordinary mission ended as {shown['status']}: {shown['failure']}"]
        return []

    async def worker_runs(self) -> bool:
        """Whether the worker has said so: agents have nobody to check in with before that."""
        return "worker runs" in self._log("worker")

    def _log(self, name: str) -> str:
        return (self.stack.data_dir / "logs" / f"{name}.log").read_text(errors="replace")

    def logged(self) -> list[str]:
        """Errors and traces in the logs of API and worker."""
        found = []
        for name in ("api", "worker"):
            found += [f"{name}.log: {line}" for line in errors_in(self._log(name))]
        return found

    def memory(self, name: str) -> int:
        """Bytes that a program holds."""
        return int(psutil.Process(self.stack.processes.children[name].record.pid).memory_info().rss)


def _taken(response: httpx.Response) -> Any:
    if response.status_code >= 300:
        raise RuntimeError(f"{response.request.url}: {response.status_code} {response.text[:500]}")
    return response.json()


@contextlib.asynccontextmanager
async def ground(**settings: str) -> AsyncIterator[Ground]:
    """Start one in a folder of its own, which is removed afterwards; `settings`: variables of API and worker."""
    folder = Path(tempfile.mkdtemp(prefix="muster-bad-input-"))
    stack = GroundStack(folder, settings)
    try:
        await stack.start()
        await stack.start_apps(fleet=False)
        token = ensure_token(Settings(data_dir=stack.data_dir))
        async with httpx.AsyncClient(
            base_url=f"{stack.api_url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
            limits=httpx.Limits(keepalive_expiry=2),  # shorter than the server's
        ) as http:
            made = Ground(stack, http, token)
            await until(made.worker_runs, 60)
            try:
                yield made
            finally:
                await asyncio.gather(*(agent.close() for agent in made.agents), return_exceptions=True)
    finally:
        await stack.stop()
        stack.remove_data()
        shutil.rmtree(folder, ignore_errors=True)
