"""Missions that are tried again, on a site: what their users read, and what their agents hear."""

from typing import Any

import pytest

from tests.support.site import Mission, Site, SiteAgent, until

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
        ("task.started", "INFO"), ("task.failed", "WARNING"), ("task.retrying", "INFO"),
        ("task.started", "INFO"), ("task.failed", "WARNING"), ("task.retrying", "INFO"),
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


@pytest.mark.parametrize("attempts", [0, 1, 3])
async def test_planning_that_always_fails(site: Site, attempts: int) -> None:
    recipe, _ = await site.recipe(fails(9, None), options=QUICK | {"maxRetries": attempts})
    mission = await site.mission(recipe, [])
    shown = await mission.until("failed")
    assert (shown["maxRetries"], shown["failure"]["code"], shown["nextAttemptAt"]) == (
        attempts,
        "planning_failed",
        None,
    )
    assert (await mission.statuses()).count("failed") == 1

    found = (await tasks(mission))[1:]
    started = [event for event in found if event["type"] == "task.started"]
    failed = [event for event in found if event["type"] == "task.failed"]
    retrying = [event for event in found if event["type"] == "task.retrying"]
    count = max(1, attempts)
    assert [event["type"] for event in found] == ["task.started", "task.failed", "task.retrying"] * (count - 1) + [
        "task.started", "task.failed",
    ]  # fmt: skip
    assert [event["payload"]["retry_count"] for event in started] == list(range(count))
    rows = [(one["payload"]["retry_count"], one["payload"]["will_retry"], one["severity"]) for one in failed]
    assert (
        rows
        == {
            0: [(1, False, "ERROR")],
            1: [(1, False, "CRITICAL")],
            3: [(1, True, "WARNING"), (2, True, "WARNING"), (3, False, "CRITICAL")],
        }[attempts]
    )
    assert {one["payload"]["max_retries"] for one in failed} == {attempts}
    for begun, ended in zip(started, failed, strict=True):
        took = ended["payload"]["failed_at"] - begun["payload"]["started_at"]
        assert abs(ended["payload"]["duration_ms"] - took * 1000) < 1, "of this attempt alone"
    for event in retrying:
        payload = event["payload"]
        assert payload["next_attempt"] == payload["retry_count"] + 1
        assert 0 <= payload["delay_ms"] <= 300
        assert payload["next_attempt_at"] == pytest.approx(
            payload["retried_at"] + payload["delay_ms"] / 1000, abs=0.001
        )
        assert payload.keys() == {
            "task_id", "mission_type", "retry_count", "max_retries", "next_attempt", "retried_at", "delay_ms",
            "next_attempt_at",
        }  # fmt: skip


async def test_mission_waits_for_agents_anew_after_it_waited_too_long(site: Site) -> None:
    truck = await site.agent("--work", "2")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    first = await site.mission(recipe, [truck])
    await first.until("executing")
    impatient, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]}, options=QUICK | {"maxWait": 0.4}
    )
    second = await site.mission(impatient, [truck], maxRetries=50)
    await second.until("succeeded")
    failed = await second.events("task.failed")
    assert {event["payload"]["error_type"] for event in failed} == {"reservation_timeout"}
    assert {event["payload"]["duration_ms"] for event in failed} == {0.0}, "none of these was started"
    assert len(await second.events("task.started")) == 1
    assert len(truck.heard("reserve", second)) == len(truck.heard("release", second)) == 1


@pytest.mark.parametrize("again", [True, False])
async def test_failed_assignment_is_sent_again_only_where_the_recipe_says_so(site: Site, again: bool) -> None:
    truck = await site.agent("--fail")
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]},
        options=QUICK | {"maxRetries": 2, "retryExecutionFailures": again},
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("failed")
    attempts = [1, 2] if again else [1]
    assert [one["attempt"] for one in await mission.assignments()] == attempts
    assert [len(truck.heard(kind, mission)) for kind in ("reserve", "assignment", "release")] == [len(attempts)] * 3
    severities = [event["severity"] for event in await mission.events("task.failed")]
    assert severities == (["WARNING", "CRITICAL"] if again else ["ERROR"])
    await truck.until_status("free")


async def between_attempts(site: Site, **options: Any) -> tuple[Mission, SiteAgent]:
    truck = await site.agent()
    answer = {"results": [{"agent_id": truck.id, "assignment": {}}]}
    recipe, _ = await site.recipe(fails(1, answer), options={**SLOW, **options})
    mission = await site.mission(recipe, [truck], maxRetries=3)
    await mission.until_waiting("retry")
    return mission, truck


@pytest.mark.parametrize("way", ["api", "engine"])
async def test_cancel_between_attempts(site: Site, way: str) -> None:
    mission, truck = await between_attempts(site)
    shown = await mission.read()
    assert (shown["status"], shown["attempt"], shown["startedAt"]) == ("dispatched", 2, None)
    (reason,) = shown["waitingReasons"]
    assert reason["text"].startswith("attempt 1 of 3 failed (planning_failed): ")
    assert shown["nextAttemptAt"][:19].replace("T", " ") in reason["text"]
    await truck.until_status("free")

    if way == "api":
        await mission.cancel("enough")
    else:
        await (await mission.run()).cancel(reason="enough")
    shown = await mission.until("canceled")
    assert (shown["nextAttemptAt"], shown["waitingReasons"]) == (None, [])
    assert await mission.run_status() == "CANCELED"
    ends = [event for event in await tasks(mission) if event["type"] in ("task.cancelled", "task.completed")]
    assert [(event["type"], event["payload"]["reason"]) for event in ends] == [("task.cancelled", "enough")]
    assert len(truck.heard("reserve", mission)) == 1


async def test_paused_between_attempts(site: Site) -> None:
    mission, _ = await between_attempts(site)
    await site.post(f"/work-processes/{mission.id}/pause", {}, status=200)

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 15)
    await mission.cancel()
    await mission.until("canceled")


async def test_queue_goes_on_when_its_mission_has_really_ended(site: Site) -> None:
    recipe, service = await site.recipe(fails(2, {"results": []}), options=QUICK | {"maxRetries": 3})
    queue = await site.post("/mission-queues", {"name": "retries"})
    first, second = [
        await site.mission(recipe, [], {"n": n}, status="draft", missionQueueId=queue["id"]) for n in (1, 2)
    ]
    await site.post(f"/mission-queues/{queue['id']}/run", {}, status=200)
    await second.until("succeeded")
    assert [call.body["request"]["n"] for call in service.calls] == [1, 1, 1, 2]
    ended = (await first.events("task.completed"))[0]["timestamp"]
    assert ended < (await second.events("task.started"))[0]["timestamp"]


@pytest.mark.parametrize("moment", ["between", "at its end"])
async def test_killed_worker_loses_no_attempt(site: Site, moment: str) -> None:
    truck = await site.agent()
    answer = {"results": [{"agent_id": truck.id, "assignment": {}}]}
    options = {"retryInitialInterval": 3, "maxRetries": 2} if moment == "between" else QUICK | {"maxRetries": 2}
    recipe, service = await site.recipe(fails(1, answer), options=options)
    if moment == "between":
        mission = await site.mission(recipe, [truck])
        await mission.until_waiting("retry")
    else:
        service.hold.clear()
        mission = await site.mission(recipe, [truck])

        async def asked() -> bool:
            return service.count("POST") > 0

        await until(asked, 15)
        service.hold.set()
        await mission.until("planning_failed", "dispatched", "succeeded")
    site.worker.kill()
    site.worker.start()
    await mission.until("succeeded", timeout=60)
    assert [event["type"] for event in await tasks(mission)] == [
        "task.created", "task.started", "task.failed", "task.retrying", "task.started", "task.completed",
    ]  # fmt: skip
    assert len(truck.heard("assignment", mission)) == 1
    await truck.until_status("free")
