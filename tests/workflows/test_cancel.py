"""Cancel: in every phase, from every side, racing with the end. Release never overtakes cancel."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.service import RPCError

from missions.contracts import CancelRequest
from tests.support.planner import Call
from tests.support.site import Mission, Site, SiteAgent, until

PENDING = {"request_id": "job-1", "status": "pending"}


def drives(truck: SiteAgent) -> Callable[[Call], Any]:
    return lambda call: {"results": [{"agent_id": truck.id, "assignment": {"n": 1}}]}


async def by_api(site: Site, mission: Mission) -> None:
    await mission.cancel("by the api")


async def by_patch(site: Site, mission: Mission) -> None:
    response = await site.api.patch(f"/work-processes/{mission.id}", json={"status": "cancelling"})
    assert response.status_code == 200, response.text


async def by_signal(site: Site, mission: Mission) -> None:
    await (await mission.run()).signal("cancel", CancelRequest(reason="by signal", requested_by="tester"))


async def by_engine(site: Site, mission: Mission) -> None:
    """What the UI's button does."""
    await (await mission.run()).cancel(reason="by the ui")


async def by_command_line(site: Site, mission: Mission) -> None:
    program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    run = await mission.run()
    where = ["--address", site.addresses.temporal_address, "--namespace", site.addresses.temporal_namespace]
    command = [program, "workflow", "cancel", "--workflow-id", run.id, *where]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


WAYS = [by_api, by_patch, by_signal, by_engine, by_command_line]
Way = Callable[[Site, Mission], Awaitable[None]]


async def assert_ended_canceled(mission: Mission, *agents: SiteAgent) -> None:
    shown = await mission.until("canceled")
    assert (await mission.statuses())[-2:] == ["canceling", "canceled"]
    assert shown["cancel"]["requestedAt"]
    assert await mission.run_status() == "CANCELED"
    assert len(await mission.events("task.cancelled")) == 1
    assert await mission.events("task.completed", "task.failed") == []
    for agent in agents:
        await agent.until_status("free")


@pytest.mark.parametrize("way", WAYS)
async def test_cancel_while_driving_waits_for_the_agent_before_release(site: Site, way: Way) -> None:
    truck = await site.agent("--work", "60")
    recipe, _ = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await mission.until("executing")
    await truck.until_status("busy")
    await way(site, mission)
    await assert_ended_canceled(mission, truck)

    cancel, release = truck.heard("cancel", mission), truck.heard("release", mission)
    assert len(cancel) == len(release) == 1
    confirmed = next(r["at"] for r in truck.process.records("state") if (r["assignment"] or [0, ""])[1] == "canceled")
    assert cancel[0]["at"] <= confirmed <= release[0]["at"]
    assert [a["status"] for a in await mission.assignments()] == ["canceled"]
    assert (await mission.read())["cancel"]["reason"] or way in (by_patch, by_command_line)


@pytest.mark.parametrize("way", [by_api, by_signal, by_engine])
async def test_cancel_while_waiting_for_agents_leaves_the_line(site: Site, way: Way) -> None:
    truck = await site.agent("--work", "1.5")
    recipe, _ = await site.recipe(drives(truck))
    first = await site.mission(recipe, [truck])
    await first.until("executing")
    waiting = await site.mission(recipe, [truck])
    await waiting.until_waiting("agent_reserved")
    third = await site.mission(recipe, [truck])
    await way(site, waiting)
    await assert_ended_canceled(waiting)
    assert truck.heard("reserve", waiting) == truck.heard("release", waiting) == []
    await third.until("succeeded")


@pytest.mark.parametrize("way", [by_api, by_signal, by_engine])
async def test_cancel_while_agents_are_asked_releases_them(site: Site, way: Way) -> None:
    truck = await site.agent("--ignore-reserve")
    recipe, service = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_ready")
    await way(site, mission)
    await assert_ended_canceled(mission, truck)
    assert len(truck.heard("release", mission)) == 1
    assert service.calls == []


@pytest.mark.parametrize("way", [by_api, by_signal, by_engine])
async def test_cancel_while_a_planner_is_polled_sends_delete(site: Site, way: Way) -> None:
    truck = await site.agent()
    recipe, service = await site.recipe(lambda call: PENDING)
    mission = await site.mission(recipe, [truck])
    await until(lambda: _asked(service, "GET"), 15)
    await way(site, mission)
    await assert_ended_canceled(mission, truck)
    await until(lambda: _asked(service, "DELETE"), 10)
    assert {call.job for call in service.calls if call.method == "DELETE"} == {"job-1"}
    requests = (await site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    assert [r["status"] for r in requests] == ["canceled"]


async def test_cancel_while_the_planner_is_being_asked_stops_its_job_afterwards(site: Site) -> None:
    truck = await site.agent()
    recipe, service = await site.recipe(lambda call: PENDING)
    service.hold.clear()
    mission = await site.mission(recipe, [truck])
    await until(lambda: _asked(service, "POST"), 15)
    await mission.cancel()
    await assert_ended_canceled(mission, truck)
    service.hold.set()
    await until(lambda: _asked(service, "DELETE"), 10)


async def test_cancel_before_the_worker_sees_the_mission(site: Site) -> None:
    truck = await site.agent()
    recipe, service = await site.recipe(drives(truck))
    site.worker.stop()
    mission = await site.mission(recipe, [truck])
    await mission.cancel()
    assert (await mission.read())["status"] == "canceling", "nothing is shown that has not happened"
    site.worker.start()
    await assert_ended_canceled(mission, truck)
    assert truck.heard("reserve", mission) == []
    assert service.calls == []


async def test_signal_before_the_worker_sees_the_mission_is_not_lost(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(drives(truck))
    site.worker.stop()
    mission = await site.mission(recipe, [truck])
    await until(lambda: _has_run(mission), 15)
    await by_signal(site, mission)
    site.worker.start()
    await assert_ended_canceled(mission, truck)


async def test_cancel_racing_with_the_end_has_one_outcome(site: Site) -> None:
    truck = await site.agent("--work", "0.05")
    recipe, _ = await site.recipe(drives(truck))
    seen = set()
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        mission = await site.mission(recipe, [truck])
        await asyncio.sleep(delay)  # no condition: the race itself is what is tested
        response = await site.api.post(f"/work-processes/{mission.id}/cancel", json={"reason": "race"})
        shown = await mission.until("canceled", "succeeded")
        seen.add(shown["status"])
        if shown["status"] == "canceled":
            assert response.status_code == 200
            await assert_ended_canceled(mission, truck)
        else:
            assert response.status_code == 409
            assert await mission.run_status() == "COMPLETED"
        ends = await mission.events("task.completed", "task.failed", "task.cancelled")
        assert len(ends) == 1
        await truck.until_status("free")
    assert "canceled" in seen


async def test_second_cancel_changes_nothing(site: Site) -> None:
    truck = await site.agent("--work", "60")
    recipe, _ = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    await asyncio.gather(*(mission.cancel(f"number {n}") for n in range(5)))
    await by_engine(site, mission)
    with contextlib.suppress(RPCError):  # a quick agent has let the run end already
        await by_signal(site, mission)
    await assert_ended_canceled(mission, truck)
    assert len(truck.heard("cancel", mission)) == 1
    await mission.cancel("once more")
    assert (await mission.statuses()).count("canceling") == 1


async def test_agent_that_never_confirms_is_asked_again_then_quarantined(site: Site) -> None:
    truck = await site.agent("--work", "60", "--ignore-cancel", "--ignore-release")
    recipe, _ = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    await mission.cancel()
    shown = await mission.until("canceled")
    assert len(truck.heard("cancel", mission)) == 3
    assert len(truck.heard("release", mission)) == 1
    assert [entry["code"] for entry in shown["attention"]] == ["cancel_unconfirmed"]
    held = await truck.read()
    assert held["quarantinedSince"]
    assert held["reservedFor"] is None
    assert await mission.run_status() == "CANCELED"

    waiting = await site.mission(recipe, [truck])
    await waiting.until_waiting("agent_quarantined")
    await waiting.cancel()
    await waiting.until("canceled")
    await site.post(f"/agents/{truck.id}/clear-quarantine", {}, status=200)
    assert (await truck.read())["quarantinedSince"] is None


async def test_draft_is_cancelled_without_a_run(site: Site) -> None:
    recipe, _ = await site.recipe(lambda call: {"results": []})
    draft = await site.mission(recipe, [], status="draft")
    await draft.cancel()
    shown = await draft.read()
    assert (shown["status"], shown["workflowId"]) == ("canceled", None)
    assert await draft.events("task.created", "task.cancelled") == []


async def test_draft_is_edited_then_dispatched(site: Site) -> None:
    recipe, service = await site.recipe(lambda call: {"results": []})
    draft = await site.mission(recipe, [], {"n": 1}, status="draft")
    await site.api.patch(f"/work-processes/{draft.id}", json={"data": {"n": 2}})
    assert service.calls == []
    await site.api.patch(f"/work-processes/{draft.id}", json={"status": "dispatched"})
    await draft.until("succeeded")
    assert service.calls[0].body["request"] == {"n": 2}


async def _asked(service: Any, method: str) -> bool:
    return bool(service.count(method))


async def _has_run(mission: Mission) -> bool:
    try:
        await (await mission.run()).describe()
    except RPCError:
        return False
    return True
