"""Where helyOS is known to be weak: what happens here instead, end to end."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import httpx

from tests.conformance.helyos.conftest import Scene
from tests.conformance.helyos.test_missions import drive
from tests.support.planner import Call
from tests.support.sdk_process import SdkAgent
from tests.support.site import YARD, Site, until
from tests.support.tap import Tap


async def test_mission_for_a_busy_agent_waits_in_line_and_says_so(scene: Scene) -> None:
    truck = await scene.site.agent("--work", "0.6")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(truck)]})
    first = await scene.site.mission(recipe, [truck])
    await first.until("executing")
    second = await scene.site.mission(recipe, [truck])
    await second.until_waiting("agent_reserved")
    await second.until("succeeded")
    await scene.expect(second, reserves=1, assignments=1, cancels=0, releases=1)


async def test_one_free_agent_is_reserved_for_one_of_two_missions(scene: Scene) -> None:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    missions = await asyncio.gather(*(scene.site.mission(recipe, [scene.first]) for _ in range(2)))
    for mission in missions:
        await mission.until("succeeded")
    sequence = [
        (message.kind, message.work_process_id)
        for message in scene.tap.messages
        if message.kind in ("reserve_for_mission", "release_from_mission") and message.inner["uuid"] == scene.first.uuid
    ]
    one, other = sequence[0][1], sequence[-1][1]
    assert one != other
    assert sequence == [(kind, m) for m in (one, other) for kind in ("reserve_for_mission", "release_from_mission")]


async def test_assignment_that_never_ends_is_timed_out(scene: Scene) -> None:
    truck = await scene.site.agent("--work", "60")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(truck)]}, options={"assignmentTimeout": 0.5})
    mission = await scene.site.mission(recipe, [truck])
    assert (await mission.until("failed"))["failure"]["code"] == "assignment_timeout"
    await truck.until_status("free")
    await scene.expect(mission, reserves=1, assignments=1, cancels=1, releases=1)


async def test_reservation_that_fails_leaves_nobody_reserved(scene: Scene) -> None:
    deaf = await scene.site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    both = await scene.site.mission(recipe, [scene.first, deaf])
    await both.until_waiting("agent_not_listening")
    alone = await scene.site.mission(recipe, [scene.first])
    await alone.until("succeeded")
    assert [(await agent.read())["reservedFor"] for agent in (scene.first, deaf)] == [None, None]
    await both.cancel()


async def test_missions_that_drive_or_wait_for_an_agent_and_what_was_said_meanwhile_outlive_a_restart(
    scene: Scene,
) -> None:
    truck = await scene.site.agent("--work", "0.5")
    recipe, service = await scene.site.recipe(lambda call: {"results": [drive(truck)]})
    driving = await scene.site.mission(recipe, [truck])
    await truck.until_status("busy")
    waiting = await scene.site.mission(recipe, [truck])
    await waiting.until_waiting("agent_reserved")
    scene.site.worker.kill()
    await truck.process.wait_for("state", lambda record: (record["assignment"] or [0, ""])[1] == "succeeded")
    scene.site.worker.start()
    for mission in (driving, waiting):
        await mission.until("succeeded")
        await scene.expect(mission, reserves=1, assignments=1, cancels=0, releases=1)
    assert service.count("POST") == 2


async def test_service_that_is_away_for_a_moment_is_asked_again_under_one_key(scene: Scene) -> None:
    recipe, service = await scene.site.recipe(
        lambda call: (503, {}) if call.number == 1 else {"results": [drive(scene.first)]}
    )
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")
    assert len({call.headers["idempotency-key"] for call in service.calls}) == 1
    assert len(service.calls) == 2


async def test_service_that_does_not_answer_holds_a_mission_no_longer_than_its_time_out(scene: Scene) -> None:
    def pending(call: Call) -> Any:
        polled.hold.clear()
        return {"request_id": "job", "status": "pending"}

    posts, posted = await scene.site.recipe(lambda call: {"results": []}, resultTimeout=1)
    polls, polled = await scene.site.recipe(pending, resultTimeout=1)
    posted.hold.clear()
    missions = [await scene.site.mission(posts, [scene.first]), await scene.site.mission(polls, [scene.second])]
    for mission, service in zip(missions, (posted, polled), strict=True):
        assert (await mission.until("failed", timeout=10))["failure"]["code"] == "planner_timeout"
        service.hold.set()
        await scene.expect(mission, reserves=1, assignments=0, cancels=0, releases=1)
    await scene.all_free()


async def test_groups_go_out_one_after_the_other(scene: Scene) -> None:
    results = [drive(scene.first, n=0), drive(scene.second, n=1)]
    recipe, _ = await scene.site.recipe(lambda call: {"results": results, "dispatch_order": [[1], [0]]})
    mission = await scene.site.mission(recipe, [scene.first, scene.second])
    await mission.until("succeeded")
    sent = [m.inner["body"]["n"] for m in scene.tap.messages if m.work_process_id == mission.id and _is_assignment(m)]
    assert sent == [1, 0]
    (ended,) = [s for s in scene.second.process.records("state") if (s["assignment"] or [0, ""])[1] == "succeeded"]
    assert ended["at"] < scene.first.heard("assignment", mission)[0]["at"]


def _is_assignment(message: Any) -> bool:
    return bool(message.kind == "assignment_execution" and message.routing_key.endswith(".assignment"))


async def test_successors_of_a_failed_assignment_go_out(scene: Scene) -> None:
    results = [
        drive(scene.first, fail=True) | {"assignment_order": 1},
        drive(scene.second) | {"assignment_order": 2},
    ]
    recipe, _ = await scene.site.recipe(lambda call: {"results": results}, onAssignmentFailure="CONTINUE_MISSION")
    mission = await scene.site.mission(recipe, [scene.first, scene.second])
    await mission.until("succeeded")
    assert [a["status"] for a in await mission.assignments()] == ["failed", "succeeded"]


async def test_parallel_last_steps_are_all_awaited_and_skipped_ones_end_the_mission(scene: Scene) -> None:
    def planner(call: Call) -> Any:
        step = call.body["context"]["orchestration"]["current_step"]
        if step == "start":
            return {"results": [], "orchestration": {"allow_dependent_steps": ["quick", "slow"]}}
        return {"results": [drive(scene.first)] if step == "slow" else []}

    later = [{"step": s, "serviceType": "last", "dependencies": ["start"]} for s in ("quick", "slow", "never")]
    steps = [{"step": "start", "serviceType": "last"}, *later]
    recipe, _ = await scene.site.recipe(planner, name="last", steps=steps)
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")
    assert [a["status"] for a in await mission.assignments()] == ["succeeded"]
    requests = (await scene.site.get(f"/work-processes/{mission.id}/service-requests"))["items"]
    assert {r["step"]: r["status"] for r in requests}["never"] == "skipped"


async def test_cancel_waits_for_the_agent_before_the_release(scene: Scene) -> None:
    truck = await scene.site.agent("--work", "60")
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(truck)]})
    mission = await scene.site.mission(recipe, [truck])
    await truck.until_status("busy")
    await mission.cancel()
    await mission.until("canceled")
    confirmed = next(s for s in truck.process.records("state") if (s["assignment"] or [0, ""])[1] == "canceled")
    (cancel,), (release,) = truck.heard("cancel", mission), truck.heard("release", mission)
    assert cancel["at"] <= confirmed["at"] <= release["at"]


async def test_scheduled_mission_starts_when_its_time_comes(scene: Scene) -> None:
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    at = datetime.now(UTC) + timedelta(seconds=1)
    mission = await scene.site.mission(recipe, [scene.first], schedStartAt=at.isoformat())
    await mission.until_waiting("scheduled")
    shown = await mission.until("succeeded")
    assert datetime.fromisoformat(shown["startedAt"]) >= at


async def test_states_of_an_unknown_agent_hold_up_nobody(scene: Scene) -> None:
    connection = await aio_pika.connect(scene.site.addresses.amqp_url)
    try:
        channel = await connection.channel()
        uplink = await channel.get_exchange("xchange_helyos.agents.ul")
        body = {"type": "agent_state", "uuid": "nobody", "body": {"status": "free", "resources": None}}
        for _ in range(150):  # helyOS stands still at 100
            message = {"message": json.dumps(body), "signature": ""}
            await uplink.publish(aio_pika.Message(json.dumps(message).encode()), "agent.nobody.state")
    finally:
        await connection.close()
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first)]})
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")


async def test_lost_connection_to_the_broker_is_made_anew(scene: Scene) -> None:
    site = scene.site
    vhost = urlsplit(site.addresses.amqp_url).path.lstrip("/")
    agents = {f"agent.{scene.first.uuid}", scene.first.uuid, scene.second.uuid}
    async with httpx.AsyncClient(
        base_url=site.addresses.amqp_management_url, trust_env=False, timeout=30
    ) as management:

        async def ours() -> list[str]:
            open_ones = (await management.get(f"/api/vhosts/{quote(vhost, safe='')}/connections")).json()
            names = {
                one["name"]: one.get("client_properties", {}).get("connection_name", "")
                for one in open_ones
                if one["user"] not in agents
            }
            # That of the events comes back with the next event.
            return [
                name
                for name, ours in names.items()
                if ours.startswith("muster ") and not ours.startswith("muster events")
            ]

        cut = set(await until(ours, 15))
        for name in cut:
            (await management.delete(f"/api/connections/{quote(name, safe='')}")).raise_for_status()

        async def made_anew() -> bool:
            now = set(await ours())
            return not now & cut and len(now) >= len(cut)

        await until(made_anew, 30)
    recipe, _ = await site.recipe(lambda call: {"results": [drive(scene.first)]})
    mission = await site.mission(recipe, [scene.first])
    await mission.until("succeeded")


async def test_words_of_clients_and_agents_are_never_sql(scene: Scene) -> None:
    bad = "x'; DROP TABLE agents; --"
    recipe, _ = await scene.site.recipe(lambda call: {"results": [drive(scene.first, word=bad)]}, description=bad)
    assert (await scene.site.api.get("/agents", params={"uuid": bad})).json()["items"] == []
    mission = await scene.site.mission(recipe, [scene.first], {"word": bad}, description=bad)
    shown = await mission.until("succeeded")
    assert (shown["description"], shown["data"]) == (bad, {"word": bad})
    assert scene.first.assignments()[-1]["word"] == bad


async def test_words_of_data_requests_are_never_sql(scene: Scene) -> None:
    bad, uuid = "x'; DROP TABLE map_objects; --", f"asks-{secrets.token_hex(3)}"
    await scene.site.post("/agents", {"uuid": uuid, "agentClass": "assistant"})
    yard = next(y for y in (await scene.site.get("/yards"))["items"] if y["uid"] == YARD)
    path = f"/yards/{yard['id']}/map-objects"
    await scene.site.post(path, {"mapObjects": [{"type": uuid, "name": "kept"}, {"type": uuid, "name": "changed"}]})
    kept, changed = [one["id"] for one in (await scene.site.get(path))["items"] if one["type"] == uuid]
    requests: list[Any] = [
        {"query": "allMapObjects", "conditions": {"name": bad}},
        {"query": "allMapObjects", "conditions": {"name__in": [bad, "kept"]}},
        {"query": "allMapObjects", "conditions": {"id__in": [f"{kept}) OR (1=1"]}},
        {"query": "allMapObjects", "conditions": {"name = name OR name": "x"}},
        {"query": "missionsById", "conditions": {"id__in": "1); DROP TABLE work_processes; --"}},
        {"mutation": "updateMapObjects", "data": [{"id": changed, "name": bad}]},
        {"mutation": "updateMapObjects", "data": [{"id": kept, "name = 'x', type": "y"}]},
        {"mutation": "deleteMapObjects", "condition": {"name": "' OR '1'='1"}},
        {"mutation": "deleteMapObjects", "condition": {"id__in": [f"{kept} OR 1=1"]}},
        {"mutation": "deleteMapObjectByIds", "condition": {"ids": f"{kept}) OR (1=1"}},
        {"query": "allMapObjects", "conditions": {"type": uuid}},
        {"mutation": "deleteMapObjects", "condition": {"name": bad}},
    ]
    agent = await scene.site.agent(*(word for one in requests for word in ("--ask", json.dumps(one))), uuid=uuid)
    none, named, *rest, objects, deleted = [record["answer"] for record in agent.process.records("asked")]
    assert none == []
    assert [one["id"] for one in named] == [kept]
    assert ["error" if "error" in answer else answer for answer in rest] == [
        *("error", "error", "error"),
        [changed],
        "error",
        [],
        *("error", "error"),
    ]
    assert {one["id"]: one["name"] for one in objects} == {kept: "kept", changed: bad}
    assert deleted == [changed]


async def test_refused_check_in_is_answered(site: Site, tap: Tap) -> None:
    process = SdkAgent.start(site.addresses.amqp_url, site.folder, "stranger", "--yard", YARD, token="wrong")

    def answers() -> list[Any]:
        return [
            m.inner
            for m in tap.messages
            if m.kind == "checkin" and (m.inner.get("body") or {}).get("response_code") == "500"
        ]

    async def answered() -> Any:
        return answers()

    try:
        assert "token" in json.dumps(await until(answered, 10)).lower()
    finally:
        process.stop()


async def test_both_spellings_of_the_documents_are_read(scene: Scene) -> None:
    seen: list[Any] = []

    def planner(call: Call) -> Any:
        seen.append(call.body["context"])
        return {"results": [drive(scene.first)]}

    recipe, _ = await scene.site.recipe(planner)
    mission = await scene.site.mission(recipe, [scene.first])
    await mission.until("succeeded")
    assert seen[0]["orchestration"] == seen[0]["orchestation"]
    other = await scene.site.mission(recipe, [scene.first], status="draft")
    answer = await scene.site.api.patch(f"/work-processes/{other.id}", json={"status": "cancelling"})
    assert answer.json()["status"] == "canceled"


async def test_nobody_may_do_anything_without_a_token(site: Site) -> None:
    async with httpx.AsyncClient(base_url=site.api.base_url) as stranger:
        for path in ("/work-processes", "/agents", "/recipes", "/services", "/yards"):
            assert (await stranger.get(path)).status_code == 401
            assert (await stranger.post(path, json={})).status_code == 401
