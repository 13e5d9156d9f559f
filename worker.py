"""The worker process: `python -m worker [--role missions] [--role intake] [--role relay]`, all three by default.

Composition root of everything but the API. Several may run at once, and each may die at any time.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from enum import StrEnum

import httpx
import uvloop
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.mission_activities import mission_activities, step_activities
from activities.parts import Parts
from engine.client import connect
from engine.relay import Relay
from engine.search_attributes import ensure_registered
from engine.waker import EngineWaker
from fleet.bus import Bus
from fleet.downlink import Downlink
from fleet.roles import Intake
from fleet.signing import Signer
from missions.contracts import TaskQueues
from missions.errors import PartUnavailable
from settings import Settings
from store.database import Database
from store.migrate import upgrade
from workflows.work_process import WorkProcess

logger = logging.getLogger("muster.worker")

WORKFLOWS = [WorkProcess]
# Our pure modules need not be imported anew for each run: faster, and their classes stay the same objects. What the
# sandbox would catch in them (clocks, random numbers) a test forbids in the whole folder.
PURE_MODULES = (
    "missions",
    "workflows.assigning",
    "workflows.board",
    "workflows.ending",
    "workflows.mission",
    "workflows.options",
    "workflows.reserving",
    "workflows.search_attributes",
    "workflows.stepping",
    "workflows.through_cancels",
)
RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PURE_MODULES))


class Role(StrEnum):
    """What a worker process does."""

    MISSIONS = "missions"
    INTAKE = "intake"
    RELAY = "relay"


@contextlib.asynccontextmanager
async def running(settings: Settings, roles: Sequence[Role] = tuple(Role)) -> AsyncIterator[None]:
    """A worker with these roles, stopped gracefully at the end: what is in hand is finished."""
    queues = TaskQueues.of(settings.task_queue, await upgrade(settings))
    client = await connect()
    async with contextlib.AsyncExitStack() as stack:
        database = Database(settings)
        stack.push_async_callback(database.close)
        waker = EngineWaker(client, database)
        stack.push_async_callback(waker.close)
        if Role.MISSIONS in roles:
            await ensure_registered(client)
            await stack.enter_async_context(_missions(settings, client, queues, database, waker))
        if Role.INTAKE in roles:
            intake = Intake(settings, database, waker)
            await intake.start()
            stack.push_async_callback(intake.stop)
        if Role.RELAY in roles:
            relay = Relay(database, waker)
            await relay.start()
            stack.push_async_callback(relay.stop)
        yield


@contextlib.asynccontextmanager
async def _missions(
    settings: Settings, client: Client, queues: TaskQueues, database: Database, waker: EngineWaker
) -> AsyncIterator[None]:
    bus = Bus(settings, "downlink")
    await bus.connect()
    limits = httpx.Limits(max_connections=settings.max_concurrent_steps, max_keepalive_connections=20)
    async with httpx.AsyncClient(limits=limits, timeout=settings.planner_request_timeout) as http:
        parts = Parts(settings, database, Downlink(settings, bus, Signer.load(settings)), waker, http, client)
        graceful = timedelta(seconds=settings.graceful_shutdown)
        # Heartbeats must reach the server soon, for a cancel comes back on them.
        throttle = timedelta(seconds=2)
        missions = Worker(
            client,
            task_queue=queues.missions,
            workflows=WORKFLOWS,
            activities=mission_activities(parts),
            workflow_runner=RUNNER,
            max_cached_workflows=settings.max_cached_workflows,
            max_concurrent_workflow_tasks=20,
            max_concurrent_activities=settings.max_concurrent_activities,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
            max_heartbeat_throttle_interval=throttle,
            graceful_shutdown_timeout=graceful,
        )
        steps = Worker(
            client,
            task_queue=queues.steps,
            activities=step_activities(parts),
            max_concurrent_activities=settings.max_concurrent_steps,
            max_heartbeat_throttle_interval=throttle,
            # A polled job goes on in the next worker; its id is stored.
            graceful_shutdown_timeout=timedelta(seconds=2),
        )
        try:
            async with missions, steps:
                yield
        finally:
            await bus.close()


async def serve(settings: Settings, roles: Sequence[Role]) -> None:
    """Run until SIGTERM or SIGINT; waits for parts that are not there yet."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    while not stop.is_set():
        try:
            async with running(settings, roles):
                logger.info("worker runs with the roles %s", ", ".join(roles))
                await stop.wait()
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
    uvloop.run(serve(Settings(), roles))


if __name__ == "__main__":
    main()
