"""Missions that are tried again, on a site: what their users read, and what their agents hear."""

from typing import Any

from tests.support.site import Mission, Site

QUICK = {"retryInitialInterval": 0.3, "retryBackoff": 1}
SLOW = {"retryInitialInterval": 1e6, "retryMaxInterval": 1e6}


def fails(times: int, answer: Any) -> Any:
    """A planner that fails so often before it answers."""
    return lambda call: answer if call.number > times else {"status": "failed"}


async def tasks(mission: Mission) -> list[Any]:
    return [event for event in await mission.events() if event["type"].startswith("task.")]


async def test_mission_that_fails_twice_is_planned_anew_and_succeeds(site: Site) -> None:
    truck = await site.agent()
    recipe, service = await site.recipe(
        fails(2, {"results": [{"agent_id": truck.id, "assignment": {}}]}), options=QUICK
    )
    mission = await site.mission(recipe, [truck], maxRetries=3)
    shown = await mission.until("succeeded")

    found = await tasks(mission)
    assert [(event["type"], event["severity"]) for event in found] == [
        ("task.created", "INFO"),
        ("task.started", "INFO"), ("task.failed", "WARNING"), ("task.retrying", "WARNING"),
        ("task.started", "INFO"), ("task.failed", "WARNING"), ("task.retrying", "WARNING"),
        ("task.started", "INFO"), ("task.completed", "INFO"),
    ]  # fmt: skip
    assert (shown["attempt"], shown["maxRetries"], shown["nextAttemptAt"], shown["failure"]) == (3, 3, None, None)
    requests = await site.get(f"/work-processes/{mission.id}/service-requests")
    assert [(one["attempt"], one["status"]) for one in requests["items"]] == [
        (1, "failed"),
        (2, "failed"),
        (3, "ready"),
    ]
    assert [one["attempt"] for one in await mission.assignments()] == [3]
    assert len({call.headers["idempotency-key"] for call in service.calls}) == 3
    assert [len(truck.heard(kind, mission)) for kind in ("reserve", "release", "assignment")] == [3, 3, 1]
