"""The stage: a stack of its own with nothing else in it, agents, a planner and the bare engine's worker."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.token import ensure_token
from benchmarks.child import ROOT, Child
from benchmarks.engine import Engine
from benchmarks.fleet import Fleet
from benchmarks.missions import Member, Missions
from cli.progress import Progress
from cli.stack.launcher import Stack, StackOptions
from settings import Settings

DATA = ROOT / ".muster-bench"
AGENTS = 50
_SOLO, _YARD = "solo", "yard"


@dataclass(frozen=True)
class Stage:
    """Everything that is measured with. `solo` stands alone in its yard, `crew` shares one."""

    stack: Stack
    token: str
    missions: Missions
    engine: Engine
    solo: Member
    crew: list[Member]
    pids: dict[str, int]
    watch: asyncio.Future[None]
    """Ends, with an error, when a process that must run ends by itself."""


@contextlib.asynccontextmanager
async def stage(starting: Progress, stopping: Progress) -> AsyncIterator[Stage]:
    """Set up in an empty data folder, which is removed afterwards; it stays, with its logs, when something fails."""
    stack = Stack(own_settings(), DATA, options=StackOptions(usual_ports=False), report=starting)
    await stack.stop_leftovers()
    stack.remove_data()
    try:
        with starting:
            await stack.start()
            await stack.start_apps(fleet=False)
        async with _players(stack) as ready:
            yield ready
    finally:
        if stack.is_started:
            with stopping:
                await stack.stop(report=stopping)
    stack.remove_data()


def own_settings() -> Settings:
    """Muster's settings, but all servers are ours: the load must not hit a stack that someone uses."""
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        del os.environ[name]
    return Settings(database_url="", amqp_url="", amqp_management_url="", temporal_ui_url="", api_url="", api_port=0)


@contextlib.asynccontextmanager
async def _players(stack: Stack) -> AsyncIterator[Stage]:
    assert stack.addresses is not None
    solo = Member(0, "bench-solo", _SOLO)
    crew = [Member(number, f"bench-{number}", _YARD) for number in range(1, AGENTS + 1)]
    env, logs = stack.environment(), stack.data_dir / "logs"
    token = ensure_token(Settings(data_dir=stack.data_dir))
    async with contextlib.AsyncExitStack() as exits:
        planner = await exits.enter_async_context(_child("planner", env=env, logs=logs))
        worker = await exits.enter_async_context(_child("engine_worker", env=env, logs=logs))
        _, port = await planner.first("listening")
        http = await exits.enter_async_context(
            httpx.AsyncClient(
                base_url=f"{stack.api_url}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
                # The API closes a connection that was idle for 5 s; we must be the first to.
                limits=httpx.Limits(max_keepalive_connections=AGENTS, max_connections=AGENTS, keepalive_expiry=2),
            )
        )
        names = [member.name for member in (solo, *crew)]
        agents = _child("agents", *names, env=env, logs=logs)
        fleet = Fleet(agents)
        missions = Missions(http, fleet)
        await missions.prepare([_SOLO, _YARD], f"http://127.0.0.1:{port}/plan/")
        await exits.enter_async_context(agents)
        await agents.first("listening")
        await worker.first("listening")
        engine = await Engine.connect(stack.addresses.temporal_address, worker)
        watch = asyncio.ensure_future(_first_to_fail(fleet.listen(), engine.answer(), _part_ends(stack)))
        exits.push_async_callback(_cancel, watch)
        children = {name: child.record.pid for name, child in stack.processes.children.items()}
        ours = {"planner": planner.pid, "agents": agents.pid, "bare worker": worker.pid}
        yield Stage(stack, token, missions, engine, solo, crew, children | ours, watch)


def _child(module: str, *options: str, env: dict[str, str], logs: Path) -> Child:
    return Child(f"benchmarks.{module}", *options, env=env, log=logs / f"benchmark-{module}.log")


async def _part_ends(stack: Stack) -> None:
    raise await stack.wait_for_exit()


async def _first_to_fail(*work: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(*work)


async def _cancel(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
