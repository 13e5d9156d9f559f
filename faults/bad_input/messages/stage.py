"""The stage: a stack of its own, an intake process of its own, agents that will talk nonsense, missions that go on."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiormq
import httpx
import psutil
from sqlalchemy import text

from api.token import ensure_token
from benchmarks.agents import Heard
from benchmarks.child import ROOT, Child
from benchmarks.fleet import Fleet
from benchmarks.missions import RECIPE, Member, Missions
from benchmarks.stage import own_settings
from cli.stack.apps import Api
from cli.stack.launcher import Stack, StackOptions
from cli.stack.ports import any_free_port
from cli.stack.processes import Child as Process
from examples.thin_agent import ANONYMOUS, CheckIn, with_login
from faults.bad_input.messages.making import Facts, Speaker
from settings import Settings
from store.database import Database

YARD = "yard"
_CLASSES = ("instrument", "instrument", "assistant", "assistant")
_SPEAKERS = 24
_RETIRED, _HOLDER, _FIRST_CREW, _CREW = 0, 1, 2, 3


@dataclass(frozen=True)
class Stage:
    """What the storm needs. `connections`: of the speakers by uuid, of `anonymous`, and ours under no name."""

    settings: Settings
    database: Database
    missions: Missions
    speakers: list[Speaker]
    crew: list[Member]
    facts: Facts
    connections: dict[str, aiormq.Channel]
    answers: list[int]
    """Grows by one for each answer to a speaker's question."""
    intake: Process
    process: psutil.Process
    """Of the intake."""
    held_mission: int
    http: httpx.AsyncClient


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Set up in an empty folder, which is removed afterwards; it stays, with its logs, when something fails."""
    stack = Stack(own_settings(), folder, options=StackOptions(usual_ports=False))
    await stack.stop_leftovers()
    stack.remove_data()
    try:
        await stack.start()
        async with contextlib.AsyncExitStack() as exits:
            yield await _set_up(stack, exits)
    finally:
        if stack.is_started:
            for name in ("api", "worker-intake", "worker-missions"):
                await stack.processes.stop(name)
            await stack.stop()
    stack.remove_data()


async def _set_up(stack: Stack, exits: contextlib.AsyncExitStack) -> Stage:
    env = {**stack.environment(), "PYTHONUNBUFFERED": "1"}
    api = Api(own_settings(), stack.processes, env)
    intake, _, _ = await asyncio.gather(
        _worker(stack, "intake", env, "intake"),
        _worker(stack, "missions", env, "missions", "relay"),
        api.start({"api": any_free_port()}),
    )
    assert stack.addresses is not None
    settings = Settings(data_dir=stack.data_dir, **stack.addresses.model_dump(exclude={"temporal_address"}))
    database = Database(settings)
    exits.push_async_callback(database.close)
    logs = stack.data_dir / "logs"
    planner = await exits.enter_async_context(Child("benchmarks.planner", env=env, log=logs / "planner.log"))
    _, port = await planner.first("listening")
    http = await exits.enter_async_context(
        httpx.AsyncClient(
            base_url=f"{api.url}/api/v1",
            headers={"Authorization": f"Bearer {ensure_token(settings)}"},
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(keepalive_expiry=2),
        )
    )
    crew = [Member(number, f"crew-{number}", YARD) for number in range(_FIRST_CREW + _CREW)]
    agents = Child("benchmarks.agents", *(member.name for member in crew), env=env, log=logs / "agents.log")
    fleet = Fleet(agents)
    missions = Missions(http, fleet)
    await missions.prepare([YARD], f"http://127.0.0.1:{port}/plan/")
    await missions.roles_are_had(["missions", "intake", "relay"])
    await exits.enter_async_context(agents)
    await agents.first("listening")
    listening = asyncio.ensure_future(fleet.listen())
    exits.callback(listening.cancel)

    speakers, connections, reply_to, answers = await _speakers(settings, http, exits)
    retired, holder = crew[_RETIRED], crew[_HOLDER]
    await missions.one_step(retired)
    await missions.quiet()
    held_mission = await _hold(http, holder)
    await fleet.until(holder.number, Heard.ASSIGNMENT)
    async with database.statement() as connection:
        rows = (await connection.execute(text("SELECT id FROM assignments ORDER BY id"))).scalars().all()
    ended, held, unsent = rows
    facts = Facts(YARD, ended, retired.uuid, held, unsent, holder.uuid, RECIPE, reply_to)
    return Stage(
        settings,
        database,
        missions,
        speakers,
        crew[_FIRST_CREW:],
        facts,
        connections,
        answers,
        intake,
        psutil.Process(intake.record.pid),
        held_mission,
        http,
    )


async def _hold(http: httpx.AsyncClient, holder: Member) -> int:
    """A mission of two assignments in a row, whose first one lasts until it is cancelled."""
    results = [{"agent_uuid": holder.uuid, "assignment": {"hold": hold}} for hold in (True, False)]
    created = await http.post(
        "/work-processes",
        json={
            "workProcessTypeName": RECIPE,
            "status": "dispatched",
            "yardUid": YARD,
            "agentUuids": [holder.uuid],
            "data": {"answer": {"status": "ready", "results": results, "dispatch_order": [[0], [1]]}},
        },
    )
    created.raise_for_status()
    return int(created.json()["id"])


async def _worker(stack: Stack, name: str, env: dict[str, str], *roles: str) -> Process:
    options = [option for role in roles for option in ("--role", role)]
    command = [sys.executable, "-m", "worker", *options]
    return await stack.processes.spawn(f"worker-{name}", command, env=env, cwd=ROOT, grace=30)


async def _speakers(
    settings: Settings, http: httpx.AsyncClient, exits: contextlib.AsyncExitStack
) -> tuple[list[Speaker], dict[str, aiormq.Channel], dict[str, str], list[int]]:
    """Check them in, and connect each with its own account."""
    classes = [*_CLASSES, *["vehicle"] * (_SPEAKERS - len(_CLASSES))]
    speakers = [Speaker(f"speaker-{number}", one, "not_automatable") for number, one in enumerate(classes)]
    for speaker in speakers:
        registered = await http.post("/agents", json={"uuid": speaker.uuid, "agentClass": speaker.agent_class})
        registered.raise_for_status()
    check_in = CheckIn(settings)
    await check_in.connect()
    passwords = await asyncio.gather(*(check_in.password(speaker.uuid, YARD) for speaker in speakers))
    await check_in.close()
    logins = {speaker.uuid: password for speaker, password in zip(speakers, passwords, strict=True)}
    connections: dict[str, aiormq.Channel] = {}
    reply_to: dict[str, str] = {}
    answers: list[int] = []

    async def answered(message: aiormq.abc.DeliveredMessage) -> None:
        answers.append(len(message.body))

    for name, password in {**logins, ANONYMOUS: ANONYMOUS}.items():
        connections[name] = await channel(with_login(settings.amqp_url, name, password), exits)
        if name in logins:
            queue = (await connections[name].queue_declare(exclusive=True)).queue
            assert queue is not None
            reply_to[name] = queue
            await connections[name].basic_consume(queue, answered, no_ack=True)
    connections[""] = await channel(settings.amqp_url, exits)
    return speakers, connections, reply_to, answers


async def channel(url: str, exits: contextlib.AsyncExitStack) -> aiormq.Channel:
    """A connection with one channel, closed with the stage."""
    connection = await aiormq.connect(url)
    exits.push_async_callback(connection.close)
    opened = await connection.channel(publisher_confirms=False)
    assert isinstance(opened, aiormq.Channel)
    return opened
