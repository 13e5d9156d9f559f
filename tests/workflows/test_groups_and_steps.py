"""Dispatch groups, parallel and dependent steps."""

from typing import Any

from sqlalchemy import select

from settings import Settings
from store.database import Database
from store.tables import assignments
from tests.support.planner import Call
from tests.support.site import Mission, Site, SiteAgent, until


def started_and_ended(agents: list[SiteAgent], mission: Mission) -> dict[Any, tuple[float, float]]:
    """When each assignment's data was received, and when its agent reported the end."""
    times = {}
    for agent in agents:
        numbers = {}
        for record in agent.heard("assignment", mission):
            numbers[record["message"]["metadata"]["id"]] = (record["message"]["body"]["n"], record["at"])
        for record in agent.process.records("state"):
            said = record["assignment"]
            if said and said[0] in numbers and said[1] == "succeeded":
                name, received = numbers[said[0]]
                times[name] = (received, record["at"])
    return times


async def test_groups_go_out_one_after_the_other(site: Site) -> None:
    first, second = await site.agent("--work", "0.2"), await site.agent("--work", "0.2")
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [
                {"agent_id": first.id, "assignment": {"n": 0}},
                {"agent_id": first.id, "assignment": {"n": 1}},
                {"agent_uuid": second.uuid, "assignment": {"n": 2}},
                {"agent_id": str(second.id), "assignment": {"n": 3}},
            ],
            "dispatch_order": [[0], [1, 2], [3]],
        }
    )
    mission = await site.mission(recipe, [first, second])
    await mission.until("succeeded")
    times = started_and_ended([first, second], mission)
    assert sorted(times) == [0, 1, 2, 3]
    assert times[0][1] <= min(times[1][0], times[2][0])
    assert max(times[1][1], times[2][1]) <= times[3][0]
    assert max(times[1][0], times[2][0]) < min(times[1][1], times[2][1]), "the second group runs in parallel"


async def test_assignment_order_makes_groups(site: Site) -> None:
    truck = await site.agent("--work", "0.2")
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [
                {"agent_id": truck.id, "assignment": {"n": n}, "assignment_order": order}
                for n, order in enumerate([3, 1, None, 2])
            ]
        }
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    times = started_and_ended([truck], mission)
    assert max(times[1][1], times[2][1]) <= times[3][0]
    assert times[3][1] <= times[0][0]


async def test_result_that_names_nobody_goes_to_every_agent_of_the_mission(site: Site) -> None:
    first, second = await site.agent(), await site.agent()
    recipe, _ = await site.recipe(lambda call: {"status": "ready", "result": {"route": [1, 2]}})
    mission = await site.mission(recipe, [first, second])
    await mission.until("succeeded")
    assert first.assignments() == second.assignments() == [{"route": [1, 2]}]


async def test_failure_policy_and_fallback_of_a_result_are_stored_with_its_assignment(site: Site) -> None:
    truck = await site.agent()
    plain = {"agent_id": truck.id, "assignment": {}}
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [plain, plain | {"on_assignment_failure": "RELEASE_FAILED", "fallback_mission": "recover"}]
        }
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    database = Database(Settings(database_url=site.addresses.database_url))
    async with database.statement() as connection:
        rows = await connection.execute(
            select(assignments.c.on_assignment_failure, assignments.c.fallback_mission)
            .where(assignments.c.work_process_id == mission.id)
            .order_by(assignments.c.result_index)
        )
        stored = [tuple(row) for row in rows]
    await database.close()
    assert stored == [("DEFAULT", "DEFAULT"), ("RELEASE_FAILED", "recover")]


async def test_pending_planner_is_polled_until_it_has_results(site: Site) -> None:
    truck = await site.agent()

    def script(call: Call) -> Any:
        if call.method == "POST" or call.number <= 2:
            return {"request_id": 77, "status": "pending"}
        return {"request_id": 77, "status": "successful", "results": [{"agent_id": truck.id, "assignment": {}}]}

    recipe, service = await site.recipe(script)
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    assert service.count("POST") == 1
    assert [call.job for call in service.calls if call.method == "GET"] == ["77"] * 3
    requests = (await site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    assert [(r["step"], r["status"], r["requestUid"]) for r in requests] == [("plan", "ready", "77")]


async def test_later_step_gets_the_answers_of_the_steps_before(site: Site) -> None:
    truck = await site.agent()
    name = "diamond"

    def script(call: Call) -> Any:
        step = call.body["context"]["orchestration"]["current_step"]
        results = [{"agent_id": truck.id, "assignment": {"step": step}}] if step in ("left", "last") else []
        return {"status": "successful", "request_id": f"job-{step}", "results": results, "from": step}

    recipe, service = await site.recipe(
        script,
        name=name,
        steps=[
            {"step": "first", "serviceType": name, "requestOrder": 1},
            {"step": "left", "serviceType": name, "requestOrder": 2},
            {"step": "right", "serviceType": name, "requestOrder": 2},
            {"step": "last", "serviceType": name, "dependencies": ["left", "right"]},
        ],
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    asked = [call.body["context"]["orchestration"]["current_step"] for call in service.calls]
    assert asked[0] == "first"
    assert sorted(asked[1:3]) == ["left", "right"]
    assert asked[3] == "last"
    told = service.calls[3].body["context"]["dependencies"]
    assert {entry["step"]: entry["response"]["from"] for entry in told} == {"left": "left", "right": "right"}
    assert [entry["requestUid"] for entry in told] == ["job-left", "job-right"]
    assert [data["step"] for data in truck.assignments()] == ["left", "last"]


async def test_steps_without_dependencies_are_asked_in_parallel(site: Site) -> None:
    name = "parallel"
    recipe, service = await site.recipe(
        lambda call: {"results": []},
        name=name,
        steps=[
            {"step": "a", "serviceType": name, "dependencies": []},
            {"step": "b", "serviceType": name, "requestOrder": 5, "dependencies": []},
        ],
    )
    service.hold.clear()
    mission = await site.mission(recipe, [])
    await mission.until("calculating")

    async def both_asked() -> bool:
        return service.count("POST") == 2

    from tests.support.site import until

    await until(both_asked, 10)
    service.hold.set()
    await mission.until("succeeded")


async def test_failed_assignment_fails_the_mission_and_frees_every_agent(site: Site) -> None:
    good, bad = await site.agent("--work", "30"), await site.agent("--fail")
    recipe, _ = await site.recipe(
        lambda call: {
            "results": [{"agent_id": good.id, "assignment": {"n": 1}}, {"agent_id": bad.id, "assignment": {"n": 2}}]
        }
    )
    mission = await site.mission(recipe, [good, bad])
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "assignment_failed"
    assert bad.uuid in shown["failure"]["text"]
    assert "assignment_failed" in await mission.statuses()
    assert len(good.heard("cancel", mission)) == 1
    assert bad.heard("cancel", mission) == []
    for agent in (good, bad):
        assert len(agent.heard("release", mission)) == 1
        await agent.until_status("free")
    assert await mission.run_status() == "FAILED"
    failed = (await mission.events("task.failed"))[0]
    assert (failed["severity"], failed["payload"]["will_retry"], failed["payload"]["retry_count"]) == (
        "ERROR",
        False,
        1,
    )


async def test_mission_keeps_the_recipe_it_started_with(site: Site) -> None:
    def planner(call: Call) -> Any:
        return {"results": [{"agent_id": truck.id, "assignment": {"step": _step(call)}}]}

    def _step(call: Call) -> str:
        return str(call.body["context"]["orchestration"]["current_step"])

    truck = await site.agent()
    steps = [
        {"step": "first", "serviceType": "kept", "requestOrder": 1},
        {"step": "second", "serviceType": "kept", "requestOrder": 2, "serviceConfig": {"version": 1}},
    ]
    name, service = await site.recipe(planner, name="kept", steps=steps, settings={"version": 1})
    service.hold.clear()
    mission = await site.mission(name, [truck])

    async def asked() -> bool:
        return service.count("POST") == 1

    await until(asked, 10)
    found = (await site.get(f"/recipes?name={name}"))["items"][0]
    changed = {"name": name, "settings": {"version": 2}, "steps": [{"step": "other", "serviceType": "kept"}]}
    assert (await site.api.put(f"/recipes/{found['id']}", json=changed)).status_code == 200
    service.hold.set()
    await mission.until("succeeded")
    posts = [call.body for call in service.calls if call.method == "POST"]
    assert [body["context"]["orchestration"]["current_step"] for body in posts] == ["first", "second"]
    assert [body["request"]["_settings"] for body in posts] == [{"version": 1}] * 2
    assert posts[1]["config"] == {"version": 1}
    later = await site.mission(name, [truck])
    await later.until("succeeded")
    assert [a["step"] for a in truck.assignments()] == ["first", "second", "other"]
