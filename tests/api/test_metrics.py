"""`GET /metrics`: the state of the store, in Prometheus's words."""

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from api import scrape
from api.app import create_app
from settings import Settings
from store.database import Database
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
        await connection.execute(text("UPDATE work_processes SET next_attempt_at = now() + interval '1 minute'"))
        await connection.execute(
            text(
                "INSERT INTO reservation_requests (work_process_id, attempt, status, priority, enqueued_at, score_key)"
                " VALUES (:id, 1, 'waiting', 20, now() - interval '1 minute', now())"
            ),
            {"id": made["id"]},
        )
    found = await scraped(world)
    assert found[("muster_mission_retries_waiting",)] == 1
    assert found[("muster_missions_waiting",)] == 1
    assert 60 <= found[("muster_missions_waiting_oldest_seconds",)] < 90


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
