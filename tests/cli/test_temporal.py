"""A Temporal server that we start lets timers come when they are due, also many of them."""

import asyncio
import sys
from pathlib import Path

import httpx
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from cli.stack.ports import any_free_port
from cli.stack.temporal import DYNAMIC_CONFIG, dynamic_config


@workflow.defn(sandboxed=False)
class Sleeper:
    """Lets timers come one after the other."""

    @workflow.run
    async def run(self, interval: float) -> None:
        for _ in range(20):
            await asyncio.sleep(interval)


async def test_no_timers_are_put_off_because_there_are_many_in_a_second() -> None:
    port = any_free_port()
    engine = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        dev_server_extra_args=["--metrics-port", str(port), *dynamic_config(DYNAMIC_CONFIG)],
    )
    async with engine, Worker(engine.client, task_queue="sleepers", workflows=[Sleeper]):
        runs = [
            engine.client.execute_workflow(Sleeper.run, 0.1 + 0.01 * place, id=str(place), task_queue="sleepers")
            for place in range(10)
        ]
        await asyncio.gather(*runs)
        async with httpx.AsyncClient(trust_env=False) as http:
            metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    timers = [line for line in metrics.splitlines() if 'operation="TimerQueueProcessor"' in line]
    assert timers
    assert [line for line in timers if line.startswith("queue_actions")] == []
