"""`GET /metrics`: the state of the store, in Prometheus's words."""

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from api import scrape
from api.app import create_app
from missions.events import EventType
from settings import Settings
from store.database import Database
from store.positions import give_positions
from store.role_heartbeats import beat
from tests.api.conftest import RecordingWaker, client_of, mission

URL = "http://muster/metrics"


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_KEPT", 0.0)


async def scraped(api: AsyncClient) -> dict[tuple[str, ...], float]:
    """Each value, by its name and the values of its labels."""
    answer = await api.get(URL)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


async def test_missions_agents_events_and_outlets_are_counted(world: AsyncClient, database: Database) -> None:
    await mission(world)
    await mission(world, status="draft")
    async with database.transaction() as connection:
        for statement in (
            "UPDATE event_log SET last_position = 40",
            "INSERT INTO event_outlets (name, position, error) VALUES ('exchange', 30, 'gone'), ('webhook', 40, NULL)",
            "INSERT INTO message_counts (outcome, reason, count) VALUES ('dead_lettered', 'invalid', 7)",
            "INSERT INTO repairs (kind, count) VALUES ('run_ended', 2)",
            "INSERT INTO webhooks (url, types, secret, position, enabled)"
            " VALUES ('u', '{}', 's', 9, true), ('u', '{}', 's', 9, false)",
            "UPDATE wakeups SET created_at = now() - interval '1 minute'",
        ):
            await connection.execute(text(statement))
        unpositioned = await connection.scalar(text("SELECT count(*) FROM events WHERE sequence IS NULL"))
        wakeups = await connection.scalar(text("SELECT count(*) FROM wakeups"))
    found = await scraped(world)
    assert found["muster_missions", "dispatched"] == 1
    assert ("muster_missions", "draft") not in found
    assert found["muster_agents", "unseen"] == 3
    assert found[("muster_events_last_position",)] == 40
    assert found[("muster_events_unpositioned",)] == unpositioned > 0
    assert found[("muster_wakeups_left_over",)] == wakeups > 0
    assert found["muster_repairs_total", "run_ended"] == 2
    assert found["muster_repairs_total", "run_lost"] == 0
    assert found["muster_event_outlet_backlog", "exchange"] == 10
    assert found["muster_event_outlet_backlog", "webhook"] == 0
    assert found["muster_event_outlet_failing", "exchange"] == 1
    assert found["muster_event_outlet_failing", "webhook"] == 0
    assert found["muster_event_outlet_parked", "exchange"] == 0
    assert found["muster_event_outlet_backlog", "webhook:1"] == 31
    assert ("muster_event_outlet_backlog", "webhook:2") not in found  # disabled: nobody waits for it
    assert found["muster_agent_messages_not_taken_total", "dead_lettered", "invalid"] == 7


async def test_missions_that_wait_for_agents_and_for_their_next_attempt(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE work_processes SET status = 'preparing resources',"
                " next_attempt_at = now() + interval '1 minute'"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO reservation_requests (work_process_id, attempt, status, priority, enqueued_at, score_key)"
                " VALUES (:id, 1, 'waiting', 20, now() - interval '1 minute', now())"
            ),
            {"id": made["id"]},
        )
    found = await scraped(world)
    assert found[("muster_mission_retries_waiting",)] == 1
    assert found["muster_missions_waiting", "agents"] == 1
    assert 60 <= found["muster_missions_waiting_oldest_seconds", "agents"] < 90
    assert found["muster_missions_waiting", "slot"] == found["muster_missions_waiting_oldest_seconds", "slot"] == 0


async def test_missions_that_wait_for_a_slot(world: AsyncClient, database: Database) -> None:
    made = await mission(world)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO slots (work_process_id, attempt, type_name, held, enqueued_at, score_key)"
                " VALUES (:id, 1, 'driving', false, now() - interval '1 minute', now())"
            ),
            {"id": made["id"]},
        )
    found = await scraped(world)
    assert (found["muster_missions_waiting", "slot"], found["muster_missions_waiting", "agents"]) == (1, 0)
    assert 60 <= found["muster_missions_waiting_oldest_seconds", "slot"] < 90


async def test_a_role_that_no_living_worker_has_and_what_never_happened_are_0(
    api: AsyncClient, database: Database
) -> None:
    async with database.transaction() as connection:
        for process, *roles in (("one", "intake", "relay"), ("two", "relay"), ("lost", "missions", "relay")):
            await beat(connection, process, roles=roles, host="h", pid=7, version="0", waits={})
        lost = "UPDATE role_heartbeats SET seen_at = seen_at - interval '20 s' WHERE process = 'lost'"
        await connection.execute(text(lost))
    found = await scraped(api)
    assert [found["muster_workers", role] for role in ("missions", "intake", "relay")] == [0, 1, 2]
    assert found["muster_missions", "executing"] == 0
    assert found["muster_task_events_total", "CRITICAL", "task.failed"] == 0


async def test_ends_of_missions_and_failed_attempts_are_counted_also_after_they_are_archived(
    world: AsyncClient, database: Database
) -> None:
    for _ in range(2):
        await mission(world)
        async with database.transaction() as connection:
            await give_positions(connection, 1000)
    async with database.transaction() as connection:
        kinds = set(await connection.scalars(text("SELECT type FROM events")))
        await connection.execute(text("DELETE FROM events"))
        assert await give_positions(connection, 1000) == 0
    found = await scraped(world)
    assert found["muster_task_events_total", "INFO", "task.created"] == 2
    assert "work_process.created" in kinds
    assert {key[2] for key in found if key[0] == "muster_task_events_total"} == {
        kind for kind in EventType if kind.startswith("task.")
    }


async def test_token_is_needed_unless_the_setting_says_otherwise(
    app: FastAPI, settings: Settings, database: Database, waker: RecordingWaker
) -> None:
    async with client_of(app, token=None) as stranger:
        assert (await stranger.get(URL)).status_code == 401
    public = create_app(settings.model_copy(update={"metrics_public": True}), waker=waker)
    async with public.router.lifespan_context(public), client_of(public, token=None) as stranger:
        assert (await stranger.get(URL)).status_code == 200


async def test_many_who_ask_share_one_look(api: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_KEPT", 60.0)
    looks = 0
    real = scrape.read_metrics

    async def count(connection: object) -> object:
        nonlocal looks
        looks += 1
        return await real(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(scrape, "read_metrics", count)
    for _ in range(5):
        assert (await api.get(URL)).status_code == 200
    assert looks == 1
