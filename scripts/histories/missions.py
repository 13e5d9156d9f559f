"""Endings of missions that a site can be made to produce, with SDK agents."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable
from typing import Any

from missions.contracts import CancelRequest
from tests.support.planner import Call
from tests.support.site import Mission, Site, SiteAgent, until

PENDING = {"request_id": "job-1", "status": "pending"}


def drives(*agents: SiteAgent, **answer: Any) -> Callable[[Call], Any]:
    """A planner that gives each of these agents an assignment."""
    results = [{"agent_id": agent.id, "assignment": {"n": number}} for number, agent in enumerate(agents)]
    return lambda call: {"results": results, **answer}


async def _busy(site: Site) -> tuple[SiteAgent, str]:
    truck = await site.agent("--work", "2")
    recipe, _ = await site.recipe(drives(truck), options={"maxWait": 60})
    await (await site.mission(recipe, [truck])).until("executing")
    return truck, recipe


async def _driving(site: Site, *options: str, **recipe_fields: Any) -> Mission:
    truck = await site.agent("--work", "60", *options)
    recipe, _ = await site.recipe(drives(truck), **recipe_fields)
    mission = await site.mission(recipe, [truck])
    await mission.until("executing")
    await truck.until_status("busy")
    return mission


async def succeeded(site: Site) -> Mission:
    truck = await site.agent()
    recipe, _ = await site.recipe(drives(truck))
    return await site.mission(recipe, [truck])


async def succeeded_without_agents(site: Site) -> Mission:
    recipe, _ = await site.recipe(lambda call: {"results": []})
    return await site.mission(recipe, [])


async def succeeded_in_two_groups(site: Site) -> Mission:
    first, second = await site.agent(), await site.agent()
    recipe, _ = await site.recipe(drives(first, second, dispatch_order=[[1], [0]]))
    return await site.mission(recipe, [first, second])


async def succeeded_in_a_diamond_of_steps(site: Site) -> Mission:
    truck, name = await site.agent(), "diamond-of-steps"
    steps = [
        {"step": "first", "serviceType": name},
        {"step": "left", "serviceType": name, "dependencies": ["first"], "waitAssignments": False},
        {"step": "right", "serviceType": name, "dependencies": ["first"], "applyResult": False},
        {"step": "last", "serviceType": name, "dependencies": ["left", "right"]},
    ]
    recipe, _ = await site.recipe(drives(truck), name=name, steps=steps)
    return await site.mission(recipe, [truck])


async def succeeded_with_skipped_steps(site: Site) -> Mission:
    truck, name = await site.agent(), "branches"
    steps = [
        {"step": "first", "serviceType": name, "applyResult": False},
        {"step": "left", "serviceType": name, "dependencies": ["first"]},
        {"step": "right", "serviceType": name, "dependencies": ["first"]},
        {"step": "last", "serviceType": name, "dependencies": ["right"]},
    ]
    answer, branch = drives(truck), {"orchestration": {"allow_dependent_steps": ["left"]}}

    def choose(call: Call) -> Any:
        return answer(call) | (branch if call.body["context"]["orchestration"]["current_step"] == "first" else {})

    recipe, _ = await site.recipe(choose, name=name, steps=steps)
    return await site.mission(recipe, [truck])


async def succeeded_after_polling(site: Site) -> Mission:
    truck = await site.agent()
    answer = drives(truck)
    recipe, _ = await site.recipe(lambda call: answer(call) if call.method == "GET" else PENDING)
    return await site.mission(recipe, [truck])


async def succeeded_after_waiting_for_its_agent(site: Site) -> Mission:
    truck, recipe = await _busy(site)
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_reserved")
    return mission


async def succeeded_after_a_silent_agent(site: Site) -> Mission:
    truck = await site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_listening")
    truck.process.kill()
    await site.agent(uuid=truck.uuid)
    return mission


async def failed_assignment(site: Site) -> Mission:
    good, bad = await site.agent("--work", "60"), await site.agent("--fail")
    recipe, _ = await site.recipe(drives(good, bad))
    return await site.mission(recipe, [good, bad])


async def succeeded_after_a_failed_assignment(site: Site) -> Mission:
    good, bad = await site.agent(), await site.agent("--fail")
    recipe, _ = await site.recipe(
        drives(good, bad, good, dispatch_order=[[0, 1], [2]]), onAssignmentFailure="RELEASE_FAILED"
    )
    return await site.mission(recipe, [good, bad])


async def failed_planning(site: Site) -> Mission:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"status": "failed"})
    return await site.mission(recipe, [truck])


async def failed_planner_time_out(site: Site) -> Mission:
    recipe, _ = await site.recipe(lambda call: PENDING, resultTimeout=1)
    return await site.mission(recipe, [])


async def failed_longest_wait(site: Site) -> Mission:
    truck = await site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await site.recipe(drives(truck), options={"maxWait": 4})
    return await site.mission(recipe, [truck])


async def failed_mission_time_out(site: Site) -> Mission:
    return await _driving(site, options={"missionTimeout": 8})


async def failed_assignment_time_out(site: Site) -> Mission:
    return await _driving(site, options={"assignmentTimeout": 2})


async def canceled_while_driving(site: Site) -> Mission:
    mission = await _driving(site)
    await mission.cancel()
    return mission


async def canceled_while_waiting(site: Site) -> Mission:
    truck, recipe = await _busy(site)
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_reserved")
    await mission.cancel()
    return mission


async def canceled_while_polling(site: Site) -> Mission:
    truck = await site.agent()
    recipe, service = await site.recipe(lambda call: PENDING)
    mission = await site.mission(recipe, [truck])

    async def polled() -> bool:
        return service.count("GET") > 0

    await until(polled, 30)
    await mission.cancel()
    return mission


async def canceled_by_signal(site: Site) -> Mission:
    mission = await _driving(site)
    await (await mission.run()).signal("cancel", CancelRequest(reason="by signal", requested_by="tester"))
    return mission


async def canceled_by_the_ui(site: Site) -> Mission:
    mission = await _driving(site)
    await (await mission.run()).cancel(reason="by the ui")
    return mission


async def canceled_unconfirmed(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await mission.cancel()
    return mission


async def canceled_by_a_halt(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await site.post(f"/work-processes/{mission.id}/halt", None, status=200)
    return mission


async def canceled_by_a_halt_after_a_cancel(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await mission.cancel()
    await mission.until("canceling")
    await site.post(f"/work-processes/{mission.id}/halt", None, status=200)
    return mission


async def succeeded_after_an_immediate_pause(site: Site) -> Mission:
    truck = await site.agent("--work", "1")
    recipe, _ = await site.recipe(drives(truck, truck, dispatch_order=[[0], [1]]))
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    await site.post(f"/work-processes/{mission.id}/pause", {"mode": "immediate"}, status=200)

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 10)
    await site.post(f"/work-processes/{mission.id}/resume", None, status=200)
    return mission


async def succeeded_without_a_cancelled_assignment(site: Site) -> Mission:
    mission = await _driving(site, onAssignmentFailure="CONTINUE_MISSION")
    (assignment,) = await mission.assignments()
    await site.post(f"/assignments/{assignment['id']}/cancel", None, status=200)
    return mission


async def _between_attempts(site: Site, seconds: float) -> Mission:
    truck = await site.agent()
    answer = drives(truck)
    recipe, _ = await site.recipe(
        lambda call: {"status": "failed"} if call.number == 1 else answer(call),
        options={"retryInitialInterval": seconds, "retryMaxInterval": seconds, "maxRetries": 3},
    )
    return await site.mission(recipe, [truck])


async def succeeded_at_the_second_attempt(site: Site) -> Mission:
    return await _between_attempts(site, 0.5)


async def canceled_between_attempts(site: Site) -> Mission:
    mission = await _between_attempts(site, 1e6)
    await mission.until_waiting("retry")
    await mission.cancel()
    return mission


RECORDERS: list[Callable[[Site], Awaitable[Mission]]] = [
    succeeded, succeeded_without_agents, succeeded_in_two_groups, succeeded_in_a_diamond_of_steps,
    succeeded_with_skipped_steps, succeeded_after_polling, succeeded_after_waiting_for_its_agent,
    succeeded_after_a_silent_agent, succeeded_after_a_failed_assignment, failed_assignment, failed_planning,
    failed_planner_time_out, failed_longest_wait, failed_mission_time_out, failed_assignment_time_out,
    canceled_while_driving, canceled_while_waiting, canceled_while_polling, canceled_by_signal, canceled_by_the_ui,
    canceled_unconfirmed, canceled_by_a_halt, canceled_by_a_halt_after_a_cancel, succeeded_after_an_immediate_pause,
    succeeded_without_a_cancelled_assignment, succeeded_at_the_second_attempt, canceled_between_attempts,
]  # fmt: skip
