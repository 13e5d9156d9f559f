"""The misbehaviours, as missions."""

import random

from faults.kinds.agents import misbehaviours
from faults.kinds.fault import Fault
from faults.load.scripts import Mission
from faults.stage.crew import bystanders, odd_agents
from missions.dispatch_order import dispatch_groups


def missions_of(fault: Fault, seed: int = 1) -> list[Mission]:
    """With those that follow."""
    missions: list[Mission] = []
    for mission in fault.missions(random.Random(seed)):
        following: Mission | None = mission
        while following is not None:
            missions.append(following)
            following = following.then
    return missions


def test_each_misbehaviour_has_a_name_of_its_own_and_missions() -> None:
    faults = misbehaviours()
    assert len({fault.name for fault in faults}) == len(faults)
    assert all(fault.missions(random.Random(1)) for fault in faults)


def test_each_odd_agent_has_one_mission_at_a_time_and_the_seed_decides() -> None:
    for fault in misbehaviours():
        first = [mission.agents for mission in fault.missions(random.Random(1))]
        used = [agent for agents in first for agent in agents]
        assert len(used) == len(set(used))
        assert set(used) <= {*odd_agents(), *bystanders()}
        assert fault.missions(random.Random(1)) == fault.missions(random.Random(1))


def test_each_script_is_a_plan_that_muster_takes() -> None:
    for fault in misbehaviours():
        for mission in missions_of(fault):
            plan = mission.data["answer"]
            orders = [None for _ in plan["results"]]
            assert dispatch_groups(orders, plan["dispatch_order"], step="plan", url="")
            assert mission.ends in ("succeeded", "failed", "canceled")
