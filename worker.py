"""The worker process: `python -m worker [--role missions] [--role intake] [--role relay]`, all three by default.

Composition root of everything but the API. Several may run at once, and each may die at any time.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial

import uvloop
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import muster
from activities.activity_types import known_activity_type
from activities.mission_activities import mission_activities, step_activities
from activities.parts import Parts
from activities.registry import activity_types
from activities.service_client import service_client
from activities.service_health import ServiceHealth, ServiceWatch
from activities.stuck_activities import StuckActivities
from engine.client import connect
from engine.relay import Relay
from engine.role_heartbeat import RoleHeartbeat, new_identity
from engine.search_attributes import ensure_registered
from engine.sweeper import Sweeper
from engine.waker import EngineWaker
from fleet.bus import AgentsRefused, Bus
from fleet.downlink import Downlink
from fleet.instant_actions import InstantActionSender
from fleet.late_start import LateStart, late_start, until_stopped
from fleet.ready_board import ReadyBoard
from fleet.reconciler import Reconciler
from fleet.roles import Intake
from fleet.signing import Signer
from missions.contracts import ActivityPreset, TaskQueues
from missions.errors import PartUnavailable, UserError
from missions.recipes import RecipeStep
from outlets.archiver import Archiver
from outlets.exchange import OUTLET, ExchangeOutlet
from outlets.sequencer import Sequencer
from outlets.webhooks import delivering_webhooks
from settings import Settings, read_settings
from store import event_outlets
from store.database import Database
from store.migrate import upgrade
from workflows.mission_file import MissionFile
from workflows.mission_queue import MissionQueue
from workflows.mission_thread import MissionThread
from workflows.platform_command import PlatformCommand
from workflows.signals_by_hand import SignalsByHand
from workflows.work_process import WorkProcess

logger = logging.getLogger("muster.worker")

WORKFLOWS = [WorkProcess, MissionQueue, MissionFile, MissionThread, PlatformCommand]
# Without the SDK's sandbox: it would guard only the workflow's own file, since all below is passed through; it takes a
# tenth of the worker's time, and reads that file anew for each run, also in the middle of an upgrade. The tests run the
# workflow in the sandbox, replay stored histories, and forbid clocks and random numbers in the whole folder.
RUNNER = UnsandboxedWorkflowRunner()
WORKFLOW_INTERCEPTORS = [SignalsByHand()]


class Role(StrEnum):
    """What a worker process does."""

    MISSIONS = "missions"
    INTAKE = "intake"
    RELAY = "relay"


@contextlib.asynccontextmanager
async def running(settings: Settings, roles: Sequence[Role] = tuple(Role)) -> AsyncIterator[Sequence[LateStart]]:
    """A worker with these roles, stopped gracefully at the end: what is in hand is finished.

    What needs the agents' broker may start later, when that answers; missions without agents do not wait for it.
    """
    installation = await upgrade(settings)
    queues = TaskQueues.of(settings.task_queue, installation)
    identity = new_identity()
    client = await connect(settings, identity=identity)
    ready_board = ReadyBoard()
    starts: dict[Role, LateStart] = {}
    async with contextlib.AsyncExitStack() as stack:
        database = Database(settings)
        stack.push_async_callback(database.close)
        waker = EngineWaker(client, database)
        stack.push_async_callback(waker.close)
        if Role.MISSIONS in roles:
            await ensure_registered(client)
            bus = Bus(settings, "downlink")
            stack.push_async_callback(bus.close)
            starts[Role.MISSIONS] = await stack.enter_async_context(late_start("what is sent to agents", bus.connect))
            parts = await stack.enter_async_context(_parts(settings, client, database, waker, ready_board, bus))
            sender = InstantActionSender(database, parts.downlink, waker)
            sender.start()
            stack.push_async_callback(sender.stop)
            reconciler = Reconciler(settings, database, parts.downlink, waker)
            reconciler.start()
            stack.push_async_callback(reconciler.stop)
            await stack.enter_async_context(_missions(queues, parts))
        if Role.INTAKE in roles:
            starts[Role.INTAKE] = await stack.enter_async_context(_intake(settings, database, waker, ready_board))
        if Role.RELAY in roles:
            relay = Relay(database, waker, agent_silence=settings.agent_silence)
            await relay.start()
            stack.push_async_callback(relay.stop)
            sweeper = Sweeper(settings, database, client, waker)
            sweeper.start()
            stack.push_async_callback(sweeper.stop)
            sequencer = Sequencer(database)
            sequencer.start()
            stack.push_async_callback(sequencer.stop)
            archiver = Archiver(settings, database)
            archiver.start()
            stack.push_async_callback(archiver.stop)
            await stack.enter_async_context(_exchange_outlet(settings, database, installation))
            await stack.enter_async_context(delivering_webhooks(settings, database))
            http = await stack.enter_async_context(service_client())
            watch = ServiceWatch(settings, database, ServiceHealth(settings, database, http))
            await watch.start()
            stack.push_async_callback(watch.stop)
        heartbeat = RoleHeartbeat(database, identity, roles, muster.__version__, partial(_waits, starts))
        heartbeat.start()
        stack.push_async_callback(heartbeat.stop)
        for each in starts.values():
            each.done.add_done_callback(lambda _: heartbeat.soon())
            await each.first_try()
        yield list(starts.values())


def _waits(starts: Mapping[Role, LateStart]) -> dict[str, str]:
    return {role: each.waits for role, each in starts.items() if each.waits}


@contextlib.asynccontextmanager
async def _intake(
    settings: Settings, database: Database, waker: EngineWaker, ready_board: ReadyBoard
) -> AsyncIterator[LateStart]:
    async with contextlib.AsyncExitStack() as running:

        async def start() -> None:
            intake = Intake(settings, database, waker, resolve_preset=_resolve_preset, ready_board=ready_board)
            await intake.start()
            running.push_async_callback(intake.stop)

        async with late_start("the intake of what agents say", start) as starting:
            yield starting


@contextlib.asynccontextmanager
async def _exchange_outlet(settings: Settings, database: Database, installation: str) -> AsyncIterator[None]:
    if not settings.events_exchange:
        async with database.statement() as connection:
            await event_outlets.end(connection, OUTLET)
        yield
        return
    outlet = ExchangeOutlet(settings, database, installation)
    outlet.start()
    try:
        yield
    finally:
        await outlet.stop()


def _resolve_preset(step: RecipeStep, timeout: float) -> ActivityPreset:
    return known_activity_type(step, activity_types()).preset(step, timeout)


@contextlib.asynccontextmanager
async def _parts(
    settings: Settings, client: Client, database: Database, waker: EngineWaker, ready_board: ReadyBoard, bus: Bus
) -> AsyncIterator[Parts]:
    connections, timeout = settings.max_concurrent_steps, settings.planner_request_timeout
    async with service_client(max_connections=connections, timeout=timeout) as http:
        downlink = Downlink(settings, bus, Signer.load(settings))
        health = ServiceHealth(settings, database, http)
        yield Parts(settings, database, downlink, waker, http, client, ready_board, health)


@contextlib.asynccontextmanager
async def _missions(queues: TaskQueues, parts: Parts) -> AsyncIterator[None]:
    settings = parts.settings
    # Heartbeats must reach the server soon, for a cancel comes back on them.
    throttle = timedelta(seconds=2)
    missions = Worker(
        parts.temporal,
        task_queue=queues.missions,
        workflows=WORKFLOWS,
        activities=mission_activities(parts),
        interceptors=[*WORKFLOW_INTERCEPTORS, StuckActivities(parts.database)],
        workflow_runner=RUNNER,
        max_cached_workflows=settings.max_cached_workflows,
        max_concurrent_workflow_tasks=20,
        max_concurrent_activities=settings.max_concurrent_activities,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=throttle,
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_shutdown),
    )
    steps = Worker(
        parts.temporal,
        task_queue=queues.steps,
        activities=step_activities(parts),
        max_concurrent_activities=settings.max_concurrent_steps,
        max_heartbeat_throttle_interval=throttle,
        # A polled job goes on in the next worker; its id is stored.
        graceful_shutdown_timeout=timedelta(seconds=2),
    )
    async with missions, steps:
        yield


async def serve(settings: Settings, roles: Sequence[Role]) -> None:
    """Run until SIGTERM or SIGINT; waits for parts that are not there yet."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    while not stop.is_set():
        try:
            async with running(settings, roles) as starts:
                logger.info("worker runs with the roles %s", ", ".join(roles))
                await until_stopped(stop, starts)
        except (PartUnavailable, RuntimeError, RPCError) as error:
            logger.warning("worker cannot start yet, tries again in 2 s: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 2)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__.split("\n")[0])
    parser.add_argument("--role", action="append", type=Role, choices=list(Role), help="default: all roles")
    roles = tuple(parser.parse_args().role or Role)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What was imported lives as long as the process, and a mission makes many objects that die young: the collector
    # need not look through the former, nor at the latter each 700 allocations.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    settings = read_settings()
    try:
        uvloop.run(serve(settings, roles))
    except (UserError, AgentsRefused) as error:
        sys.exit(f"the worker does not start: {error}")


if __name__ == "__main__":
    main()
