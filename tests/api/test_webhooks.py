"""Webhooks over the API: what clients may set, what is refused, and what is shown."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from standardwebhooks import Webhook

from api.app import create_app
from missions.event_catalogue import event
from missions.event_payloads.configuration import RecipeChanged
from missions.events import Action, EventSource
from missions.principals import MUSTER
from settings import Settings
from store import webhook_deliveries, webhook_fan_out
from store.database import Database
from tests.api.conftest import RecordingWaker, changes, client_of, created, problem, stored
from tests.api.event_log import positioned, write
from tests.support.receiver import Receiver

HOOK = {"url": "https://example.com/hooks", "types": ["task.*", "agent.checked_in"]}


async def test_a_webhook_is_made_read_changed_and_deleted(api: AsyncClient, database: Database) -> None:
    made = await created(api, "/webhooks", HOOK | {"description": "for the shop"})
    assert made["types"] == HOOK["types"]
    assert (made["enabled"], made["version"], made["disabledReason"], made["failingSince"]) == (True, 1, None, None)
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    shown = await api.get("/webhooks/1")
    assert shown.headers["ETag"] == '"1"'
    assert shown.json() == {name: value for name, value in made.items() if name != "secret"}
    stale = await api.patch("/webhooks/1", json={"types": []}, headers={"If-Match": '"7"'})
    problem(stale, 412)
    changed = await api.patch("/webhooks/1", json={"types": [], "enabled": False}, headers={"If-Match": '"1"'})
    assert (changed.json()["types"], changed.json()["enabled"], changed.json()["version"]) == ([], False, 2)
    assert changed.json()["disabledAt"] is not None
    assert [one["id"] for one in (await api.get("/webhooks?enabled=false")).json()["items"]] == [1]
    assert (await api.get("/webhooks?enabled=true")).json()["items"] == []
    enabled = (await api.post("/webhooks/1/enable")).json()
    assert (enabled["enabled"], enabled["disabledAt"], enabled["missed"]) == (True, None, 0)
    assert (await api.delete("/webhooks/1")).status_code == 204
    problem(await api.get("/webhooks/1"), 404)
    told = [(kind, payload["action"]) for kind, payload, *_ in await changes(database)]
    assert told == [("webhook.changed", action) for action in ("created", "updated", "updated", "deleted")]
    assert "secret" not in str(await changes(database))


async def test_a_creation_that_is_sent_twice_makes_one_webhook_with_one_secret(api: AsyncClient) -> None:
    first = await api.post("/webhooks", json=HOOK, headers={"Idempotency-Key": "k"})
    second = await api.post("/webhooks", json=HOOK, headers={"Idempotency-Key": "k"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    rotated = [await api.post("/webhooks/1/rotate-secret", headers={"Idempotency-Key": "r"}) for _ in range(2)]
    assert rotated[0].json() == rotated[1].json()
    assert rotated[0].json()["secret"] != first.json()["secret"]
    assert rotated[0].json()["previousSecretUntil"] is not None


WRONG_URLS = [
    "example.com",
    "ftp://example.com/x",
    "https://",
    "https:///path",
    "https://exa mple.com/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://user:secret@example.com/",
    "https://example.com/#part",
    "https://[::1",
    "http://example.com/",
    "https://localhost.example.com/\n",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://0.0.0.0/",
    "https://[::]/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[fec0::1]/",
    "https://[v1.a]/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://\uff11\uff12\uff17.0.0.1",
    "https://user:secret@[v1.a]/",
    "https://user:secret@ex ample.com",
    "https://example.com/" + "x" * 2000,
    "",
    7,
    None,
]


@pytest.mark.parametrize("url", WRONG_URLS)
async def test_addresses_that_are_none_or_private_are_refused(api: AsyncClient, database: Database, url: Any) -> None:
    before = await stored(database)
    (error,) = problem(await api.post("/webhooks", json={"url": url}), 422)["errors"]
    assert error["field"] == "url"
    assert "secret@" not in str(error)
    assert await stored(database) == before


async def test_a_changed_address_is_checked_too(api: AsyncClient) -> None:
    await created(api, "/webhooks", HOOK)
    problem(await api.patch("/webhooks/1", json={"url": "https://10.0.0.1/"}), 422)
    assert (await api.patch("/webhooks/1", json={"url": "https://example.org/x?y=1"})).status_code == 200


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("types.0", {"types": ["task.complete"]}),
        ("types.0", {"types": ["tasks.*"]}),
        ("types.0", {"types": ["*"]}),
        ("types", {"types": "task.*"}),
        ("secret", {"secret": "whsec_short"}),
        ("secret", {"secret": "whsec_" + base64.b64encode(b"x" * 23).decode()}),
        ("secret", {"secret": "whsec_" + base64.b64encode(b"x" * 65).decode()}),
        ("secret", {"secret": base64.b64encode(b"x" * 32).decode()}),
        ("secret", {"secret": "whsec_" + "!" * 44}),
        ("after", {"after": -1}),
        ("after", {"after": 10**15}),
        ("missionId", {"missionId": 0}),
        ("enabled", {"enabled": "yes"}),
        ("color", {"color": "red"}),
        ("missionType", {"missionType": "no such recipe"}),
        ("missionId", {"missionId": 10**9}),
    ],
)
async def test_wrong_fields_are_refused_and_secrets_not_repeated(
    api: AsyncClient, database: Database, field: str, body: dict[str, Any]
) -> None:
    before = await stored(database)
    (error,) = problem(await api.post("/webhooks", json=HOOK | body), 422)["errors"]
    assert error["field"] == field
    if field == "secret":
        assert error["value"] == "(not shown)"
        assert body["secret"] not in error["detail"]
    assert await stored(database) == before


async def test_filters_that_match_nothing_are_refused_in_changes_too(api: AsyncClient) -> None:
    await created(api, "/webhooks", HOOK)
    for body in ({"missionType": "no such recipe"}, {"missionId": 10**9}):
        problem(await api.patch("/webhooks/1", json=body), 422)
    none = await api.patch("/webhooks/1", json={"missionType": None, "missionId": None})
    assert (none.status_code, none.json()["missionType"]) == (200, None)


@pytest.mark.parametrize("kind", ["mission-file", "platform-command"])
async def test_missions_of_platforms_have_a_type_without_a_recipe(api: AsyncClient, kind: str) -> None:
    made = await created(api, "/webhooks", HOOK | {"missionType": kind})
    assert made["missionType"] == kind


async def test_one_that_is_made_disabled_holds_back_the_archive(api: AsyncClient, database: Database) -> None:
    made = await created(api, "/webhooks", HOOK | {"enabled": False})
    assert made["disabledAt"] is not None
    async with database.transaction() as connection:
        assert await webhook_deliveries.oldest_needed_position(connection, 60) is not None


async def test_unknown_types_name_near_ones(api: AsyncClient) -> None:
    (error,) = problem(await api.post("/webhooks", json=HOOK | {"types": ["task.complete"]}), 422)["errors"]
    assert "task.completed" in error["remedy"]


@pytest.mark.parametrize("overlap", [-1, 10**9, "long"])
async def test_wrong_overlaps_are_refused(api: AsyncClient, overlap: Any) -> None:
    await created(api, "/webhooks", HOOK)
    problem(await api.post("/webhooks/1/rotate-secret", json={"overlap": overlap}), 422)


@pytest.mark.parametrize(
    "body", [{}, {"parked": False}, {"parked": True, "since": "2030-01-31T06:00:00Z"}, {"since": "now"}, {"after": -1}]
)
async def test_wrong_replays_are_refused(api: AsyncClient, body: dict[str, Any]) -> None:
    await created(api, "/webhooks", HOOK)
    problem(await api.post("/webhooks/1/replay", json=body), 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/enable"),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/replay"),
        ("POST", "/deliveries/1/replay"),
    ],
)
async def test_unknown_webhooks_are_not_found(api: AsyncClient, method: str, path: str) -> None:
    body = {"json": {"parked": True} if path == "/replay" else {}} if method != "GET" else {}
    problem(await api.request(method, f"/webhooks/99{path}", **body), 404)


@pytest.mark.parametrize("query", ["state=lost", "type=task.complete", "missionId=0", "cursor=x", "colour=red"])
async def test_wrong_filters_of_deliveries_are_refused(api: AsyncClient, query: str) -> None:
    await created(api, "/webhooks", HOOK)
    problem(await api.get(f"/webhooks/1/deliveries?{query}"), 422)


async def _with_deliveries(api: AsyncClient, database: Database, count: int) -> None:
    """A webhook with the events of `count` deliveries, made as the fan-out makes them."""
    await created(api, "/webhooks", HOOK | {"types": ["recipe.*"]})
    new = event(RecipeChanged(recipe_id=1, name="r", action=Action.UPDATED), source=EventSource.API, actor=MUSTER)
    await write(database, *([new] * count))
    await positioned(database)
    async with database.transaction() as connection:
        await webhook_fan_out.fan_out(connection, 1000)


async def test_deliveries_are_listed_and_replayed(api: AsyncClient, database: Database) -> None:
    await _with_deliveries(api, database, 5)
    first = (await api.get("/webhooks/1/deliveries?limit=3&state=pending&type=recipe.changed")).json()
    rest = (await api.get(f"/webhooks/1/deliveries?limit=3&cursor={first['nextCursor']}")).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["nextCursor"] is None
    assert first["items"][0]["attempts"] == []
    for words, count in (("type=recipe.*", 5), ("type=task.*", 0), ("type=task.created", 0)):
        assert len((await api.get(f"/webhooks/1/deliveries?{words}")).json()["items"]) == count
    assert (await api.get("/webhooks/1/deliveries?state=parked")).json()["items"] == []
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE webhook_deliveries SET state = 'parked', error = 'no', tries = 4"))
    again = (await api.post("/webhooks/1/deliveries/2/replay")).json()
    assert (again["state"], again["tries"], again["error"]) == ("pending", 0, None)
    replayed = await api.post("/webhooks/1/replay", json={"parked": True})
    assert replayed.json() == {"count": 4, "nextAfter": None, "archivedUntil": 0, "leftOut": 0}
    problem(await api.post("/webhooks/1/deliveries/77/replay"), 404)
    since = await api.post("/webhooks/1/replay", json={"since": "2000-01-01T00:00:00Z"})
    assert since.json()["count"] == 5
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM events WHERE type = 'recipe.changed'"))
    problem(await api.post("/webhooks/1/deliveries/2/replay"), 409)


async def test_who_goes_on_from_now_leaves_out_what_was_pending(api: AsyncClient, database: Database) -> None:
    await _with_deliveries(api, database, 5)
    await api.patch("/webhooks/1", json={"enabled": False})
    await api.post("/webhooks/1/enable", json={"from": "now"})
    assert (await api.get("/webhooks/1/deliveries")).json()["items"] == []
    problem(await api.post("/webhooks/1/enable", json={"from": "then"}), 422)


@pytest.fixture
async def open_api(settings: Settings, database: Database) -> AsyncIterator[AsyncClient]:
    """The API of an operator who allows private addresses."""
    allowed = settings.model_copy(update={"webhook_allow_http": True, "webhook_allow_private": True})
    app: FastAPI = create_app(allowed, waker=RecordingWaker())
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_a_test_message_says_what_came_back(open_api: AsyncClient, settings: Settings) -> None:
    async with Receiver().running() as receiver:
        inbox = receiver.inbox("a", lambda _: 418)
        secret = SecretStr("whsec_" + base64.b64encode(b"k" * 24).decode())
        made = await created(open_api, "/webhooks", {"url": inbox.url, "secret": secret.get_secret_value()})
        answer = (await open_api.post(f"/webhooks/{made['id']}/test")).json()
    assert (answer["succeeded"], answer["statusCode"], answer["error"]) == (False, 418, "answered HTTP 418")
    (message,) = inbox.messages
    assert Webhook(secret.get_secret_value()).verify(message.raw, message.headers)["type"] == "webhook.test"
    refused = (await open_api.post(f"/webhooks/{made['id']}/test")).json()
    assert refused["statusCode"] is None
    assert "ConnectError" in refused["error"]
