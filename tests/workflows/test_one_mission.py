"""A mission from submission to the end, with agents that nobody here wrote."""

from tests.support.site import Site, json_message


async def test_mission_reserves_plans_executes_and_releases(site: Site) -> None:
    truck = await site.agent()
    recipe, service = await site.recipe(
        lambda call: {"status": "successful", "results": [{"agent_id": truck.id, "assignment": {"go": 1}}]}
    )
    mission = await site.mission(recipe, [truck], {"to": "gate"})
    shown = await mission.until("succeeded")

    assert await mission.statuses() == [
        "dispatched",
        "preparing resources",
        "calculating",
        "executing",
        "assignments_completed",
        "succeeded",
    ]
    assert shown["startedAt"]
    assert shown["endedAt"]
    assert shown["failure"] is None
    assert truck.assignments() == [{"go": 1}]
    for kind in ("reserve", "assignment", "release"):
        records = truck.heard(kind, mission)
        assert len(records) == 1, kind
        assert records[0]["verified"] is True, f"the {kind} is signed"
    await truck.until_status("free")
    assert await mission.run_status() == "COMPLETED"

    asked = service.calls[0]
    assert asked.body["request"] == {"to": "gate"}
    assert asked.headers["x-api-key"] == "key"
    assert asked.body["context"]["orchestration"] == {"current_step": "plan", "next_step": []}
    assert [agent["uuid"] for agent in asked.body["context"]["agents"] if agent["id"] == str(truck.id)] == [truck.uuid]


async def test_events_of_a_mission_are_numbered_without_gaps(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_uuid": truck.uuid, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")

    events = await mission.events()
    assert [event["mission_sequence"] for event in events] == list(range(1, len(events) + 1))
    tasks = [event["type"] for event in events if event["type"].startswith("task.")]
    assert tasks == ["task.created", "task.started", "task.completed"]
    assert all(event["mission_id"] == event["task_id"] == str(mission.id) for event in events)
    end, completed = events[-2:]
    assert (end["payload"]["to"], completed["type"]) == ("succeeded", "task.completed")
    assert completed["causation_id"] == end["id"]


async def test_one_step_mission_costs_at_most_four_activities_and_two_signals(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    await mission.run_status()

    history = await (await mission.run()).fetch_history()
    kinds = [event.WhichOneof("attributes") for event in history.events]
    assert kinds.count("activity_task_scheduled_event_attributes") <= 4
    assert kinds.count("workflow_execution_signaled_event_attributes") <= 2


async def test_mission_without_agents_runs_only_its_steps(site: Site) -> None:
    recipe, _ = await site.recipe(lambda call: {"status": "successful", "results": []})
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")
    assert await mission.statuses() == ["dispatched", "calculating", "succeeded"]


async def test_mission_that_does_not_wait_for_free_agents_sends_no_reserve(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {"n": 1}}]})
    mission = await site.mission(recipe, [truck], waitFreeAgent=False)
    await mission.until("succeeded")
    assert truck.heard("reserve", mission) == []
    assert truck.assignments() == [{"n": 1}]


async def test_assignment_message_has_exactly_the_fields_that_the_sdk_reads(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": [1, 2]}]})
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    message = json_message(truck.heard("assignment", mission)[0])
    assert message["type"] == "assignment_execution"
    assert set(message["metadata"]) == {
        "id", "work_process_id", "yard_id", "status", "start_time_stamp", "context",
    }  # fmt: skip
    assert message["body"] == [1, 2]
