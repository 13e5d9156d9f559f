"""Answers that say what later steps are asked, and which of them run."""

from typing import Any

import pytest

from tests.support.planner import Call
from tests.support.site import Mission, Site


def current_step(call: Call) -> str:
    return str(call.body["context"]["orchestration"]["current_step"])


async def recipe_of(site: Site, name: str, orchestration: Any, **dependencies: list[str]) -> Any:
    """A recipe whose step `first` answers with an orchestration; returns its name and the planner's service."""
    return await site.recipe(
        lambda call: {"results": [], **({"orchestration": orchestration} if current_step(call) == "first" else {})},
        name=name,
        steps=[
            {"step": step, "serviceType": name, "dependencies": before}
            for step, before in {"first": [], **dependencies}.items()
        ],
        settings={"speed": 1},
    )


async def statuses(mission: Mission) -> dict[str, str]:
    """The statuses of its steps."""
    items = (await mission.site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    return {item["step"]: item["status"] for item in items}


@pytest.mark.parametrize("spelling", ["next_step_request", "nex_step_request"])
async def test_answer_replaces_the_request_of_the_steps_that_it_names(site: Site, spelling: str) -> None:
    recipe, service = await recipe_of(
        site, spelling, {spelling: {"charge": {"autonomy": "500 m"}}}, charge=["first"], report=["first"]
    )
    mission = await site.mission(recipe, [], {"to": "gate"})
    await mission.until("succeeded")
    asked = {current_step(call): call.body["request"] for call in service.calls}
    usual = {"to": "gate", "_settings": {"speed": 1}}
    assert asked == {"first": usual, "charge": {"autonomy": "500 m"}, "report": usual}
    shown = (await site.get(f"/work-processes/{mission.id}/service-requests?full=true"))["items"]
    assert {item["step"]: item["request"] for item in shown} == asked


async def test_steps_that_are_not_allowed_are_skipped_with_all_after_them(site: Site) -> None:
    recipe, service = await recipe_of(
        site,
        "branches",
        {"allow_dependent_steps": ["left"]},
        left=["first"],
        right=["first"],
        after_right=["right"],
        after_left=["left"],
        last=["left", "after_right"],
    )
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")
    assert sorted(map(current_step, service.calls)) == ["after_left", "first", "left"]
    gone = ["right", "after_right", "last"]
    assert await statuses(mission) == {
        **dict.fromkeys(("first", "left", "after_left"), "ready"),
        **dict.fromkeys(gone, "skipped"),
    }
    told = [event["payload"] for event in await mission.events("service_request.status_changed")]
    assert [said["step"] for said in told if said["to"] == "skipped"] == gone
    assert await mission.run_status() == "COMPLETED"


async def test_steps_are_shown_skipped_while_others_still_run(site: Site) -> None:
    truck, name = await site.agent("--work", "60"), "skipped-early"
    drive = {"results": [{"agent_id": truck.id, "assignment": {}}], "orchestration": {"allow_dependent_steps": []}}
    recipe, _ = await site.recipe(
        lambda call: drive,
        name=name,
        steps=[
            {"step": "drive", "serviceType": name, "dependencies": []},
            {"step": "report", "serviceType": name, "dependencies": ["drive"]},
        ],
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("executing")
    assert await statuses(mission) == {"drive": "ready", "report": "skipped"}
    await mission.cancel()
    await mission.until("canceled")
    assert await statuses(mission) == {"drive": "ready", "report": "skipped"}


@pytest.mark.parametrize(
    ("name", "orchestration"),
    [("wrong-name", {"next_step_request": {"drive": {}}}), ("wrong-type", {"allow_dependent_steps": "drive"})],
)
async def test_wrong_orchestration_fails_the_mission_and_skips_nothing(
    site: Site, name: str, orchestration: Any
) -> None:
    recipe, service = await recipe_of(site, name, orchestration, report=["first"])
    mission = await site.mission(recipe, [])
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "planning_failed"
    assert shown["failure"]["step"] == "first"
    assert "'drive'" in shown["failure"]["text"]
    assert service.url in shown["failure"]["text"]
    assert await statuses(mission) == {"first": "failed", "report": "canceled"}
