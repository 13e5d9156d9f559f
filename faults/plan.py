"""All faults that a run inflicts."""

from faults.kinds.agents import misbehaviours
from faults.kinds.engine_runs import RunsTerminated
from faults.kinds.fault import Fault, Nothing
from faults.kinds.kills import kills
from faults.kinds.network import network_faults
from faults.kinds.resources import resource_faults
from faults.stage.crew import SDK_AGENTS, platforms, thin_agents


def all_faults() -> list[Fault]:
    """Each once; their names are what `--only` looks in."""
    return [*each_part_killed(), *network_faults(), *resource_faults(), RunsTerminated(), *misbehaviours()]


def each_part_killed() -> list[Fault]:
    """Those of a short run."""
    devices = [platform.uuid for platform in platforms()]
    return [Nothing(), *kills(list(thin_agents()), devices, list(SDK_AGENTS))]
