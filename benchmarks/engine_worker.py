"""A worker of its own for the bare workflows, set up as Muster's; its activities do nothing but tell the driver.

To the driver goes `[activity, run's number, seconds since the epoch]`.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import uvloop
from temporalio import activity
from temporalio.worker import Worker

from benchmarks.bare_contracts import TASK_QUEUE, ActivityName, Call, Done
from benchmarks.bare_workflows import BareMission, Empty
from benchmarks.child import say, until_the_driver_is_gone
from engine.client import connect
from settings import Settings
from worker import RUNNER


def _noop(name: ActivityName) -> Callable[..., Any]:
    @activity.defn(name=name)
    async def noop(call: Call) -> Done:
        say(name, call.number, time.time())
        return Done()

    return noop


async def main() -> None:
    settings = Settings()
    worker = Worker(
        await connect(settings),
        task_queue=TASK_QUEUE,
        workflows=[Empty, BareMission],
        activities=[_noop(name) for name in ActivityName],
        workflow_runner=RUNNER,
        max_cached_workflows=settings.max_cached_workflows,
        max_concurrent_workflow_tasks=20,
        max_concurrent_activities=settings.max_concurrent_activities,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with worker:
        say("listening")
        await until_the_driver_is_gone()


if __name__ == "__main__":
    uvloop.run(main())
