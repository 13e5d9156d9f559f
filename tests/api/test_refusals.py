"""Bad input: refused with field, value and remedy, and nothing is stored."""

import json
from typing import Any

import pytest
from httpx import AsyncClient

from api.problems import Problem
from store.database import Database
from tests.api.conftest import MISSION, RECIPE, RecordingWaker, mission, problem, stored

# Digits alone are no seconds since 1970; and a time must be one in UTC too.
NO_TIMES = [
    "1",
    "-1",
    "20300131",
    "99999999999",
    "2030-01-31",
    "2030-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
]

BAD_MISSIONS: list[tuple[dict[str, Any], str]] = [
    ({"workProcessTypeName": "flying"}, "workProcessTypeName"),
    ({"workProcessTypeName": ""}, "workProcessTypeName"),
    ({"workProcessTypeName": 7}, "workProcessTypeName"),
    ({"agentIds": [1, 99]}, "agentIds"),
    ({"agentIds": ["1"]}, "agentIds.0"),
    ({"agentIds": [True]}, "agentIds.0"),
    ({"agentIds": [0]}, "agentIds.0"),
    ({"agentIds": [2**63]}, "agentIds.0"),
    ({"agentIds": [10**400]}, "agentIds.0"),
    ({"agentIds": 1}, "agentIds"),
    ({"agentIds": None}, "agentIds"),
    ({"agentIds": [1, 2, 3]}, "agentIds"),
    ({"agentUuids": ["nobody"]}, "agentUuids"),
    ({"agentUuids": ["truck-2"]}, "agentUuids"),
    ({"yardId": 99}, "yardId"),
    ({"yardId": None}, "yardId"),
    ({"yardId": 1.5}, "yardId"),
    ({"yardId": "1"}, "yardId"),
    ({"yardUid": "nowhere"}, "yardUid"),
    ({"yardUid": "south"}, "yardUid"),
    ({"status": "executing"}, "status"),
    ({"status": "succeeded"}, "status"),
    ({"status": "canceling"}, "status"),
    ({"status": "nonsense"}, "status"),
    ({"status": None}, "status"),
    ({"status": 3}, "status"),
    ({"data": [1]}, "data"),
    ({"data": "text"}, "data"),
    ({"data": None}, "data"),
    ({"data": {"deep": ["a\x00b"]}}, "data.deep.0"),
    ({"data": {"a\x00": 1}}, "data"),
    ({"data": {"half": "\ud800"}}, "data.half"),
    ({"description": "\x00"}, "description"),
    ({"waitFreeAgent": "yes"}, "waitFreeAgent"),
    ({"waitFreeAgent": 1}, "waitFreeAgent"),
    ({"priority": "URGENT"}, "priority"),
    ({"priority": 15}, "priority"),
    ({"priority": True}, "priority"),
    ({"priority": 1.5}, "priority"),
    *(({"maxRetries": wrong}, "maxRetries") for wrong in (-1, 101, 2**40, 2.5, 3.0, "3", True, [3])),
    ({"schedStartAt": "2030-01-01T00:00:00"}, "schedStartAt"),
    ({"schedStartAt": "tomorrow"}, "schedStartAt"),
    ({"schedStartAt": 1893456000}, "schedStartAt"),
    *(({"schedStartAt": time}, "schedStartAt") for time in NO_TIMES),
    ({"schedEndAt": "2030-01-01T00:00:00Z"}, "schedEndAt"),
    ({"id": 5}, "id"),
]


@pytest.mark.parametrize(("change", "field"), BAD_MISSIONS, ids=lambda value: str(value)[:40])
async def test_a_bad_mission_is_refused_and_nothing_is_stored(
    world: AsyncClient, database: Database, waker: RecordingWaker, change: dict[str, Any], field: str
) -> None:
    before = await stored(database)
    # As ASCII: httpx itself would refuse half a surrogate pair.
    body = json.dumps(MISSION | change)
    answer = await world.post("/work-processes", content=body, headers={"Content-Type": "application/json"})
    found = problem(answer, 422)
    assert field in [error["field"] for error in found["errors"]]
    assert await stored(database) == before
    assert waker.sent == []


@pytest.mark.parametrize("time", NO_TIMES)
async def test_what_is_no_time_is_refused_everywhere(world: AsyncClient, database: Database, time: str) -> None:
    draft = await mission(world, status="draft")
    before = await stored(database)
    answers = [
        await world.patch(f"/work-processes/{draft['id']}", json={"schedStartAt": time}),
        await world.post("/mission-queues", json={"name": "round", "schedStartAt": time}),
        await world.get("/work-processes", params={"createdAfter": time}),
    ]
    fields = [problem(answer, 422)["errors"][0]["field"] for answer in answers]
    assert fields == ["schedStartAt", "schedStartAt", "createdAfter"]
    assert await stored(database) == before


@pytest.mark.parametrize("missing", ["workProcessTypeName", "status", "yardId"])
async def test_what_a_mission_needs(world: AsyncClient, missing: str) -> None:
    body = {key: value for key, value in MISSION.items() if key != missing}
    found = problem(await world.post("/work-processes", json=body), 422)
    assert found["errors"][0]["field"] == missing


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_numbers_that_json_does_not_know(world: AsyncClient, database: Database, number: str) -> None:
    before = await stored(database)
    body = f'{{"workProcessTypeName":"driving","status":"draft","yardId":1,"data":{{"n":{number}}}}}'
    answer = await world.post("/work-processes", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 422)["errors"][0]["field"] == "data.n"
    assert await stored(database) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"\xff\xfe", 400),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"data": {"n": ' + b"9" * 10_000 + b"}}", 400),
        (b'{"data": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", 422),
    ],
    ids=["empty", "cut", "list", "null", "no utf-8", "deep", "long number", "rather deep"],
)
async def test_bodies_that_are_no_json_object(world: AsyncClient, database: Database, body: bytes, status: int) -> None:
    before = await stored(database)
    problem(
        await world.post("/work-processes", content=body, headers={"Content-Type": "application/json"}),
        status,
    )
    assert await stored(database) == before


@pytest.mark.parametrize("status", ["draft", "executing", "succeeded", "failed", "canceled", "nonsense", None, 1])
async def test_a_status_that_clients_may_not_write(world: AsyncClient, database: Database, status: object) -> None:
    made = await mission(world, status="draft")
    before = await stored(database)
    found = problem(await world.patch(f"/work-processes/{made['id']}", json={"status": status}), 422)
    assert "`dispatched` or `canceling`" in found["errors"][0]["remedy"]
    assert await stored(database) == before


@pytest.mark.parametrize("change", [{"data": {"x": 2}}, {"agentIds": []}, {"yardId": 2}, {"priority": 40}])
async def test_the_fields_of_a_running_mission_are_fixed(
    world: AsyncClient, database: Database, change: dict[str, Any]
) -> None:
    made = await mission(world)
    before = await stored(database)
    found = problem(await world.patch(f"/work-processes/{made['id']}", json=change), 409)
    assert found["errors"][0]["field"] == next(iter(change))
    assert await stored(database) == before


async def test_a_refused_priority_is_told_by_its_name(world: AsyncClient) -> None:
    made = await mission(world)
    found = problem(await world.patch(f"/work-processes/{made['id']}", json={"priority": "HIGH"}), 409)
    assert found["errors"][0]["value"] == "HIGH"


async def test_cancel_and_edit_do_not_go_together(world: AsyncClient, database: Database) -> None:
    made = await mission(world, status="draft")
    before = await stored(database)
    problem(await world.patch(f"/work-processes/{made['id']}", json={"status": "canceling", "data": {}}), 422)
    assert await stored(database) == before


@pytest.mark.parametrize(
    "recipe",
    [
        {"steps": [{"step": "a", "serviceType": "drive", "dependencies": ["b"]}]},
        {
            "steps": [
                {"step": "a", "serviceType": "drive", "dependencies": ["b"]},
                {"step": "b", "serviceType": "drive", "dependencies": ["a"]},
            ]
        },
        {"steps": [{"step": "a", "serviceType": "drive"}, {"step": "a", "serviceType": "drive"}]},
        {"steps": [{"step": "a", "uses": "no_such_type"}]},
        {"steps": [{"step": "a", "uses": "microservice", "input": {"nonsense": 1}}]},
        {"steps": [{"step": "a", "serviceType": "drive", "requestOrder": 2**31}]},
        {"steps": "a"},
        {"numMaxAgents": 2**31},
        {"numMaxAgents": -1},
        {"settings": {"a": "\x00"}},
        {"options": {"maxWait": 0}},
        *(
            {"options": {name: 1e30}}
            for name in ("maxWait", "missionTimeout", "assignmentTimeout", "agentSilence", "assignmentStartTimeout")
        ),
        {"steps": [{"step": "a", "serviceType": "drive", "timeout": 1e30}]},
        {"steps": []},
        {"options": {"unknown": 1}},
        *({"options": {"maxRetries": wrong}} for wrong in (-1, 101, 2**40, 2.5, "3", True, None)),
        *({"options": {"retryBackoff": wrong}} for wrong in (0.5, -1, 1e30, True)),
        {"options": {"maxWait": True}},
        {"maxConcurrent": True},
        {"numMaxAgents": True},
        {"steps": [{"step": "a", "serviceType": "drive", "requestOrder": True}]},
        {"options": {"retryInitialInterval": 0}},
        {"options": {"retryMaxInterval": 1e30}},
        {"nonsense": 1},
        {"name": ""},
    ],
    ids=lambda recipe: str(recipe)[:60],
)
async def test_a_bad_recipe_is_refused_and_nothing_is_stored(
    world: AsyncClient, database: Database, recipe: dict[str, Any]
) -> None:
    before = await stored(database)
    found = problem(await world.post("/recipes", json=RECIPE | {"name": "other"} | recipe), 422)
    assert found["errors"][0]["field"]
    problem(await world.put("/recipes/1", json=RECIPE | recipe), 422)
    assert await stored(database) == before


async def test_what_a_steps_input_lacks_has_no_value(world: AsyncClient) -> None:
    steps = [{"step": "a", "uses": "http_notify", "input": {"message": "gone"}}]
    (error,) = problem(await world.post("/recipes", json={"name": "other", "steps": steps}), 422)["errors"]
    assert (error["field"], error["value"]) == ("steps.a.input.url", None)


async def test_all_that_is_wrong_with_a_recipe_is_told_at_once(world: AsyncClient) -> None:
    steps = [{"step": "a", "uses": "x", "dependencies": ["z"]}, {"step": "b", "uses": "y"}]
    found = problem(await world.post("/recipes", json={"name": "other", "steps": steps}), 422)
    assert [error["field"] for error in found["errors"]] == ["steps.a.dependencies", "steps.a.uses", "steps.b.uses"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/agents", {"uuid": "truck-1"}, 409),
        ("/agents", {"uuid": "truck.*"}, 422),
        ("/agents", {"uuid": "new", "yardId": 77}, 422),
        ("/agents", {"uuid": "new", "status": "free"}, 422),
        ("/agents", {"uuid": "new", "verifySignature": True}, 422),
        ("/agents", {"uuid": "new", "account": {"password": "a long password"}}, 422),
        ("/agents", {}, 422),
        ("/yards", {"uid": "north"}, 409),
        ("/yards", {"uid": "a.b"}, 422),
        ("/yards", {"uid": "new", "lat": 91}, 422),
        ("/yards", {"uid": "new", "mapData": {"a": "\x00"}}, 422),
        ("/services", {"name": "planner", "type": "other", "url": "http://a/"}, 409),
        ("/services", {"name": "second", "type": "drive", "url": "http://a/"}, 409),
        ("/services", {"name": "third", "type": "x", "url": "ftp://a/"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://a:99999/"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://x..y/"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://-bad-.x/"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://x/#f"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://u:p@x/"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://[::g]/"}, 422),
        ("/services", {"name": "third", "type": "x"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://a/", "domain": "Oracle"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://a/", "resultTimeout": 2**31}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://a/", "apikey": "\u00e9"}, 422),
        ("/services", {"name": "third", "type": "x", "url": "http://a/", "apikey": "a\nb"}, 422),
        ("/agents", {"uuid": "new", "verifySignature": True, "publicKey": "x"}, 422),
        ("/recipes", {"name": "driving", "steps": [{"step": "a", "serviceType": "drive"}]}, 409),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_other_bad_resources(
    world: AsyncClient, database: Database, path: str, body: dict[str, Any], status: int
) -> None:
    before = await stored(database)
    problem(await world.post(path, json=body), status)
    assert await stored(database) == before


@pytest.mark.parametrize("resource", ["work-processes", "agents", "recipes", "services", "yards"])
async def test_ids_that_do_not_exist(world: AsyncClient, resource: str) -> None:
    problem(await world.get(f"/{resource}/4711"), 404)
    problem(await world.get(f"/{resource}/{2**63 - 1}"), 404)
    for bad in (2**63, 10**30, 0, -1, "abc", "1.5", "9" * 5000):
        problem(await world.get(f"/{resource}/{bad}"), 422)


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense",
        "stats=draft",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=abc",
        "cursor=99999999999999999999",
        "yardId=9223372036854775808",
        "agentId=0",
        "type=%00",
        "createdAfter=yesterday",
        "createdAfter=2030-01-01T00:00:00",
    ],
)
async def test_bad_filters(world: AsyncClient, query: str) -> None:
    found = problem(await world.get(f"/work-processes?{query}"), 422)
    assert found["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/agents?status=foo", "status"),
        ("/agents?agentClass=foo", "agentClass"),
        ("/activity-types?limit=0", "limit"),
        ("/work-processes/1?foo=1", "foo"),
        ("/work-processes/1/events?foo=1", "foo"),
        ("/work-processes/1/service-requests?limit=3", "limit"),
        ("/services?nam=planner", "nam"),
    ],
)
async def test_what_a_list_does_not_know_is_refused_as_in_a_body(world: AsyncClient, path: str, field: str) -> None:
    await mission(world)
    (error,) = problem(await world.get(path), 422)["errors"]
    assert error["field"] == field


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/events?missionId=1&missionId=2", "missionId", ["1", "2"]),
        ("/events?missionId=1&mission_id=1", "missionId", ["1", "1"]),
        ("/events/stream?severity=INFO&severity=ERROR", "severity", ["INFO", "ERROR"]),
        ("/work-processes?limit=1&status=draft&limit=1", "limit", ["1", "1"]),
        ("/events/stream?token=hush&token=hush", "token", "(not shown)"),
    ],
)
async def test_a_second_value_is_refused_where_there_can_be_one(
    world: AsyncClient, path: str, field: str, value: object
) -> None:
    error = problem(await world.get(path), 422)["errors"][0]
    assert (error["field"], error["value"]) == (field, value)
    assert "once" in error["remedy"]


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"ttl": 1}', 422), (b"[]", 422), (b"{", 400), (b"{}", 201), (b"", 201)]
)
async def test_how_long_a_stream_token_lasts_cannot_be_asked_for(world: AsyncClient, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.post("/events/stream-tokens", content=body, headers=headers)
    assert answer.status_code == status
    if b"ttl" in body:
        assert problem(answer, 422)["errors"][0]["field"] == "ttl"


async def test_a_list_of_values_is_sent_by_repeating_its_name(world: AsyncClient) -> None:
    assert (await world.get("/work-processes?status=draft&status=failed")).status_code == 200
    assert (await world.get("/events?type=task.*&type=agent.*")).status_code == 200


async def test_a_key_is_never_repeated_in_an_error(world: AsyncClient) -> None:
    answer = await world.post("/services", json={"name": "n", "type": "t", "url": "http://a/", "apikey": ["hush"]})
    problem(answer, 422)
    assert "hush" not in answer.text


async def test_a_long_value_is_shortened_in_an_error(world: AsyncClient) -> None:
    answer = await world.post("/work-processes", json=MISSION | {"agentIds": ["x" * 100_000]})
    problem(answer, 422)
    assert len(answer.content) < 2000
    Problem.model_validate(answer.json())


@pytest.mark.parametrize(
    ("body", "remedy"),
    [
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "send lists and objects of fewer levels"),
        (b'{"x": "\xff"}', "send JSON in UTF-8"),
        (b'{"x": ', "send one JSON document"),
    ],
    ids=["deep", "no UTF-8", "cut"],
)
async def test_a_body_that_cannot_be_read_is_refused_with_a_remedy(api: AsyncClient, body: bytes, remedy: str) -> None:
    answer = await api.post("/recipes", content=body, headers={"Content-Type": "application/json"})
    assert [error["remedy"] for error in problem(answer, 400)["errors"]] == [remedy]


@pytest.mark.parametrize(
    ("path", "body", "remedy"),
    [
        ("/agents", {"uuid": "a b"}, "send a value that matches the pattern '^[A-Za-z0-9_-]{1,64}$'"),
        ("/agents", {"uuid": "a", "yardId": "x"}, "send a valid integer"),
        ("/agents", {"uuid": "a", "yardId": 0}, "send a value that is greater than or equal to 1"),
        ("/agents", ["a"], "send a JSON object"),
        ("/mission-files/validate", ["a"], "send a JSON object"),
        ("/webhooks", {"url": "http://x", "types": "task.*"}, "send a valid list"),
    ],
)
async def test_remedies_are_sentences(api: AsyncClient, path: str, body: Any, remedy: str) -> None:
    assert [error["remedy"] for error in problem(await api.post(path, json=body), 422)["errors"]] == [remedy]


async def test_a_query_value_that_is_no_number_has_a_remedy(api: AsyncClient) -> None:
    (error,) = problem(await api.get("/agents", params={"limit": "x"}), 422)["errors"]
    assert error["remedy"] == "send a valid integer"
