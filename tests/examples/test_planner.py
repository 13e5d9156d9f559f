"""The example planner plans for the agents of the mission, whatever else it is told of."""

from typing import Any

from examples.planner import plan


def context(*mission: str) -> dict[str, Any]:
    return {"agents": [{"id": one} for one in "12345"], "mission": {"id": 7, "agent_ids": list(mission)}}


def test_no_other_agent_of_the_yard_gets_work() -> None:
    planned = plan({}, context("2", "4"))
    assert [entry["agent_id"] for entry in planned["results"]] == [2, 2, 4, 4]
    assert planned["dispatch_order"] == [[0], [1, 2], [3]]


def test_a_mission_without_agents_is_refused() -> None:
    assert plan({}, context())["status"] == "failed"
