"""What planners may answer, and what they may not."""

from typing import Any

import pytest

from tests.support.planner import Call, Service
from tests.support.site import Site, until

GOOD: dict[str, Any] = {"results": []}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"<html>hello</html>", "no JSON"),
        (b"", "empty body"),
        (b'{"results": [NaN]}', "no JSON"),
        (b'{"results": [{"agent_id": 1, "assignment": "\\u0000"}]}', "NUL"),
        (b'{"results": [], "\\ud800": 1}', "surrogate"),
        (b"\0\xff\0", "no JSON"),
        (b'{"status": "failed", "why": "\\ud800"}', "'failed'"),
        ((500, b"\0"), "HTTP 500"),
        (b'{"status": "pending", "request_id": "\\u0000"}', "request_id"),
        ([], "not a JSON object"),
        ({"status": "perhaps"}, "unknown status 'perhaps'"),
        ({"status": "failed", "message": "no way"}, "no way"),
        ({"status": "canceled"}, "'canceled'"),
        ({"status": "pending"}, "without a request_id"),
        ((400, {"error": "bad request"}), "HTTP 400"),
        ((500, {"error": "broken"}), "HTTP 500"),
        ({"results": ["x"]}, "results[0]"),
        ({"results": 0}, "results[0] = 0"),
        ({"results": [{"agent_id": "9" * 5000, "assignment": {}}]}, "results[0].agent_id"),
        ({"results": [{"agent_id": "x", "assignment": {}}]}, "results[0].agent_id"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}, "assignment_order": "1"}]}, "assignment_order = '1'"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}, "on_assignment_failure": "EXPLODE"}]}, "'EXPLODE'"),
        ({"results": [{"assignment": {}}]}, "without agent_id or agent_uuid"),
        ({"results": [{"agent_id": 999999, "assignment": {}}]}, "agent 999999"),
        ({"results": [{"agent_id": 2**80, "assignment": {}}]}, "does not exist"),
        ({"results": [{"agent_uuid": "nobody", "assignment": {}}]}, "agent 'nobody'"),
        ({"results": [{"agent_id": "TRUCK", "agent_uuid": "other", "assignment": {}}]}, "and agent_uuid 'other'"),
        ({"status": "pending", "request_id": "x" * 1001}, "a request_id of 1001 characters"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}}], "dispatch_order": [[0], [1]]}, "out of range"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}}], "dispatch_order": [[0], [0]]}, "twice"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}}] * 2, "dispatch_order": [[0]]}, "leaves out index 1"),
        ({"results": [{"agent_id": "TRUCK", "assignment": {}}], "dispatch_order": 0}, "is 0, not a list"),
    ],
)
async def test_bad_answer_fails_the_mission_naming_step_url_and_cause(site: Site, answer: Any, says: str) -> None:
    def script(call: Call) -> Any:
        if isinstance(answer, dict) and isinstance(answer.get("results"), list):
            agent_id = call.body["context"]["agents"][0]["id"]
            results = [r | {"agent_id": agent_id} if isinstance(r, dict) and r.get("agent_id") == "TRUCK" else r
                       for r in answer["results"]]  # fmt: skip
            return answer | {"results": results}
        return answer

    truck = await _shared_truck(site)
    recipe, service = await site.recipe(script)
    mission = await site.mission(recipe, [truck])
    shown = await mission.until("failed")
    assert says in shown["failure"]["text"]
    assert "'plan'" in shown["failure"]["text"]
    assert shown["failure"]["step"] == "plan"
    assert service.url in shown["failure"]["text"]
    assert service.count("POST") == 1
    assert "planning_failed" in await mission.statuses()
    assert await mission.assignments() == []
    assert len(truck.heard("release", mission)) == 1
    await truck.until_status("free")


_trucks: dict[int, Any] = {}


async def _shared_truck(site: Site) -> Any:
    if id(site) not in _trucks:
        _trucks[id(site)] = await site.agent()
    return _trucks[id(site)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_fault_of_the_way_is_retried_with_the_same_key(site: Site, status: int) -> None:
    recipe, service = await site.recipe(lambda call: (status, {}) if call.number == 1 else GOOD)
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")
    keys = {call.headers["idempotency-key"] for call in service.calls}
    assert service.count("POST") == 2
    assert len(keys) == 1


async def test_planner_that_never_answers_runs_into_its_time_out(site: Site) -> None:
    recipe, service = await site.recipe(lambda call: {"request_id": "j", "status": "pending"}, resultTimeout=1)
    mission = await site.mission(recipe, [])
    shown = await mission.until("failed")
    assert shown["failure"]["code"] == "planner_timeout"
    assert service.url in shown["failure"]["text"]


async def test_empty_and_broken_polls_are_no_answer(site: Site) -> None:
    def script(call: Call) -> Any:
        if call.method == "POST":
            return {"request_id": "j", "status": "pending"}
        return {1: b"", 2: (503, {}), 3: (200, b"")}.get(call.number, GOOD)

    recipe, _ = await site.recipe(script)
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")


async def test_letters_that_only_look_like_nul_are_stored(site: Site) -> None:
    recipe, _ = await site.recipe(lambda call: GOOD | {"note": r"write \u0000 for NUL"})
    mission = await site.mission(recipe, [])
    await mission.until("succeeded")


async def test_change_of_a_service_reaches_later_missions_only(site: Site) -> None:
    def script(call: Call) -> Any:
        return {"request_id": "j", "status": "pending"} if call.number == 2 and call.method == "POST" else GOOD

    steps = [
        {"step": "one", "serviceType": "steady"},
        {"step": "two", "serviceType": "steady", "dependencies": ["one"]},
    ]
    recipe, service = await site.recipe(script, name="steady", steps=steps)
    service.hold.clear()
    mission = await site.mission(recipe, [])
    await until(lambda: _asked(service, 1), 15)
    (registered,) = (await site.get("/services?name=steady"))["items"]
    changed = await site.api.patch(f"/services/{registered['id']}", json={"apikey": "other", "isDummy": True})
    assert changed.status_code == 200, changed.text
    service.hold.set()
    await mission.until("succeeded")
    assert [call.method for call in service.calls] == ["POST", "POST", "GET"]
    assert {call.headers["x-api-key"] for call in service.calls} == {"key"}
    shown = await site.get(f"/work-processes/{mission.id}/service-requests?full=true")
    assert "licenceKey" not in shown["items"][0]
    assert '"key"' not in str(shown).replace("'", '"')


async def _asked(service: Service, times: int) -> bool:
    return len(service.calls) >= times


async def test_ten_megabytes_just_work(site: Site) -> None:
    truck = await site.agent()
    recipe, _ = await site.recipe(
        lambda call: {"results": [{"agent_id": truck.id, "assignment": {"n": 1}}], "map": "x" * 10_000_000}
    )
    mission = await site.mission(recipe, [truck])
    await mission.until("succeeded")
    assert truck.assignments() == [{"n": 1}]


async def test_unreachable_service_fails_naming_the_cause(site: Site) -> None:
    name = "unreachable"
    await site.post("/services", {"name": name, "type": name, "url": "http://127.0.0.1:9/", "resultTimeout": 1})
    await site.post("/recipes", {"name": name, "steps": [{"step": "plan", "serviceType": name}]})
    mission = await site.mission(name, [])
    shown = await mission.until("failed")
    assert "http://127.0.0.1:9/" in shown["failure"]["text"]
    assert "ConnectError" in shown["failure"]["text"]


async def test_results_of_other_domains_are_no_assignments(site: Site) -> None:
    service = site.planner.service("storage", lambda call: {"results": ["stored"]})
    await site.post("/services", {"name": "storage", "type": "storage", "url": service.url, "domain": "Storage server"})
    await site.post("/recipes", {"name": "storing", "steps": [{"step": "keep", "serviceType": "storage"}]})
    mission = await site.mission("storing", [])
    await mission.until("succeeded")
    assert await mission.assignments() == []
