"""Somebody ends runs of missions in the engine, as its UI offers."""

import random
from collections.abc import Sequence
from functools import partial

import asyncpg
from temporalio.client import Client

from faults.kinds.fault import Fault
from faults.load import oddities, scripts
from faults.load.scripts import Mission
from faults.stage.crew import bystanders
from faults.stage.stage import Stage
from faults.waiting import until

_UNDER_WAY = """
    SELECT workflow_id FROM work_processes
    WHERE data ->> 'fate' = $1 AND status IN ('calculating', 'executing')
"""


class RunsTerminated(Fault):
    """Of missions of its own; the recovery is that of their agents, which others wait for."""

    name = "runs terminated in the engine"
    goal = 60.0

    def missions(self, chance: random.Random) -> Sequence[Mission]:
        """One for each bystander."""
        return [oddities.terminated(chance, agent) for agent in bystanders()]

    def probes(self) -> Sequence[Mission]:
        """Of the agents that those missions hold."""
        return [scripts.probe(agent, f"after {oddities.TERMINATED}") for agent in bystanders()]

    async def strike(self, stage: Stage) -> None:
        """Returns when the engine knows that they are terminated."""
        runs = await until(partial(_under_way, stage), 120, "the missions to be terminated do not begin")
        engine = await Client.connect(stage.temporal.address)
        for run in runs:
            await engine.get_workflow_handle(run).terminate("by the fault run")

    async def mend(self, stage: Stage) -> None:
        """Muster has to find it out."""


async def _under_way(stage: Stage) -> list[str]:
    """The runs to be terminated, once all of them have begun."""
    connection = await asyncpg.connect(stage.postgres.url, timeout=5)
    try:
        runs = [row["workflow_id"] for row in await connection.fetch(_UNDER_WAY, oddities.TERMINATED)]
    finally:
        connection.terminate()
    return runs if len(runs) == len(bystanders()) else []
