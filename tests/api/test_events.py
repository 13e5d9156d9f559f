"""The history of all events, and its counts."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert, text

from missions.event_filters import EventFilter
from missions.events import EventSource, EventType, utc_now
from missions.statuses import Severity
from outlets.sequencer import Sequencer
from store import event_history
from store.connection import Connection
from store.database import Database
from store.event_tables import event_outlets
from store.events import append, of_mission
from tests.api.conftest import mission, problem
from tests.api.event_log import archived, names, news, positioned, write


@pytest.fixture
def database(empty_database: Database) -> Database:
    """One that may have events that no catalogue knows: these tests write their own."""
    return empty_database


@pytest.fixture
async def log(database: Database, api: AsyncClient) -> AsyncClient:
    """Ten numbered events; the client to ask with."""
    await write(database, *(news(number) for number in range(1, 11)))
    await positioned(database)
    return api


async def events(api: AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await api.get("/events", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def all_names(api: AsyncClient, **query: Any) -> list[Any]:
    """Names of all events over the pages."""
    found = []
    while True:
        page = await events(api, **query)
        found += names(page["items"])
        if page["nextCursor"] is None:
            return found
        query["after"] = page["nextCursor"]


async def test_an_event_comes_back_as_it_was_written(database: Database, world: AsyncClient) -> None:
    made = await mission(world, status="draft")
    await positioned(database)
    of_mission = (await world.get(f"/work-processes/{made['id']}/events")).json()["items"]
    of_log = (await events(world, missionId=made["id"]))["items"]
    assert of_log == of_mission
    (event,) = of_log
    assert event["type"] == "work_process.created"
    assert event["mission_id"] == event["task_id"] == event["correlation_id"] == str(made["id"])
    assert event["source"] == "api"
    assert event["meta"]["schema_version"] == 1
    assert datetime.fromisoformat(event["timestamp"]).utcoffset() == timedelta(0)
    written = news("ä\u2028\n", EventType.TASK_FAILED, severity=Severity.ERROR, payload={"deep": [{"x": 1.5}, None]})
    await write(database, written)
    await positioned(database)
    (read,) = (await events(world, type="task.failed"))["items"]
    assert read["payload"] == written.payload
    assert (read["severity"], read["actor"]) == ("ERROR", written.actor.model_dump(mode="json"))


async def test_events_come_oldest_first_in_pages_or_newest_first(log: AsyncClient) -> None:
    assert await all_names(log, limit=3) == [*range(1, 11)]
    assert await all_names(log, limit=3, order="desc") == [*range(10, 0, -1)]
    assert await all_names(log, limit=10) == [*range(1, 11)]
    assert names((await events(log, after=7))["items"]) == [8, 9, 10]
    assert names((await events(log, after=4, order="desc"))["items"]) == [3, 2, 1]
    assert (await events(log, limit=10))["nextCursor"] is None


async def test_a_follower_goes_on_from_the_position_also_of_a_page_without_events(
    log: AsyncClient, database: Database
) -> None:
    nothing = await events(log, type="task.*")
    assert (nothing["items"], nothing["nextCursor"], nothing["position"]) == ([], None, 10)
    await write(database, news("new", EventType.TASK_CREATED))
    assert (await events(log, type="task.*", after=10))["items"] == []  # it has no position yet
    await positioned(database)
    assert names((await events(log, type="task.*", after=10))["items"]) == ["new"]
    assert (await events(log, after=11))["items"] == []


async def test_cursor_that_the_log_has_not_reached_is_of_another_log(log: AsyncClient) -> None:
    for after in (11, 10**15):
        found = problem(await log.get("/events", params={"after": after}), 422)
        assert "ends at position 10" in found["detail"]
        assert (found["errors"][0]["field"], found["errors"][0]["value"]) == ("after", after)
    assert names((await events(log, after=10**15, order="desc", limit=2))["items"]) == [10, 9]  # before it


async def test_filters(log: AsyncClient, world: AsyncClient, database: Database) -> None:
    made = await mission(world, status="draft")
    await write(
        database,
        news("created", EventType.TASK_CREATED),
        news("failed", EventType.TASK_FAILED, severity=Severity.ERROR),
        news("critical", EventType.TASK_FAILED, severity=Severity.CRITICAL),
        mission=made["id"],
    )
    await write(
        database,
        news("said", EventType.AGENT_STATUS_CHANGED, source=EventSource.agent("tug-1")),
        news("cleared", EventType.AGENT_QUARANTINE_CLEARED, payload={"agent_uuid": "tug-1"}),
        news("other", EventType.AGENT_STATUS_CHANGED, source=EventSource.agent("tug-2"), severity=Severity.WARNING),
    )
    await positioned(database)
    for order in ("asc", "desc"):
        step = 1 if order == "asc" else -1

        async def found(expected: list[str], order: str = order, step: int = step, **query: Any) -> None:
            assert await all_names(log, limit=1, after=10 if step == 1 else 10**6, order=order, **query) == [
                *expected[::step]
            ]

        await found(["created", "failed", "critical"], type="task.*")
        await found(["failed", "critical"], type="task.failed")
        await found(["created", "said", "other"], type=["task.created", "agent.status_changed"])
        await found(["failed", "critical", "other"], severity="warning")
        await found(["critical"], severity="CRITICAL")
        await found(["failed", "critical"], severity="ERROR", type="task.*")
        await found(["created", "failed", "critical"], type="task.*", missionId=made["id"])
        await found([], type="agent.*", mission_id=made["id"])
        await found(["critical"], missionId=made["id"], severity="CRITICAL")
        await found(["said", "cleared"], agent="tug-1")
        await found(["cleared"], agent="tug-1", type="agent.quarantine_cleared")


async def test_times_bound_what_is_shown(log: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE events SET timestamp = CAST('2026-01-01T00:00:00Z' AS timestamptz) + sequence * interval '1h'")
        )
    assert await all_names(log, since="2026-01-01T08:00:00Z") == [8, 9, 10]
    assert await all_names(log, since="2026-01-01T09:00:00+02:00") == [7, 8, 9, 10]
    assert await all_names(log, since="2026-01-01T03:00:00Z", until="2026-01-01T05:00:00Z") == [3, 4]
    assert await all_names(log, until="2026-01-01T02:00:00Z", order="desc") == [1]
    assert await all_names(log, since="2027-01-01T00:00:00Z") == []
    for years in ({"since": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31T00:00:00Z"}):
        assert await all_names(log, **years) == [*range(1, 11)]
    assert await all_names(log, until="0001-01-01T00:00:00Z") == []
    await write(database, *(news("no position yet") for _ in range(1100)))
    assert await all_names(log, until="9999-12-31T00:00:00Z") == [*range(1, 11)]


@pytest.mark.parametrize(
    ("query", "field", "remedy"),
    [
        ({"type": "task.faild"}, "type", "task.failed"),
        ({"type": "tasks.*"}, "type", "task.*"),
        ({"type": "task"}, "type", "task.*"),
        ({"type": "*"}, "type", "/api/v1/events/types"),
        ({"type": ["task.failed", "nonsense"]}, "type", "/api/v1/events/types"),
        ({"after": "-1"}, "after", "greater than or equal to 0"),
        ({"after": "abc"}, "after", "integer"),
        ({"after": str(2**63)}, "after", "less than"),
        ({"since": "yesterday"}, "since", "RFC 3339"),
        ({"until": "2026-01-01T00:00:00"}, "until", "RFC 3339"),
        ({"limit": "0"}, "limit", "greater than or equal to 1"),
        ({"limit": "1001"}, "limit", "less than or equal to 1000"),
        ({"order": "random"}, "order", "'asc'"),
        ({"severity": "BAD"}, "severity", "'WARNING'"),
        ({"missionId": "0"}, "missionId", "greater than or equal to 1"),
        ({"agent": "\0"}, "agent", ""),
        ({"platform": "\0"}, "platform", ""),
        ({"platform": "LJ01D"}, "platform", "GET /api/v1/agents?agentClass=platform"),
        ({"platform": "9" * 30}, "platform", "uuid, alias or id"),
        ({"platform": ""}, "platform", "uuid, alias or id"),
        ({"mission": "1"}, "mission", "missionId"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    log: AsyncClient, query: dict[str, Any], field: str, remedy: str
) -> None:
    (error,) = problem(await log.get("/events", params=query), 422)["errors"]
    assert error["field"].partition(".")[0] == field
    assert remedy in error["detail"] + error["remedy"]


async def test_a_cursor_of_before_the_archive_is_told_what_is_kept(log: AsyncClient, database: Database) -> None:
    await archived(database, 4)
    for after in (0, 3):
        (error,) = problem(await log.get("/events", params={"after": after}), 410)["errors"]
        assert (error["field"], error["value"]) == ("after", after)
        assert "oldest that is kept is 5" in error["detail"]
    assert await all_names(log, after=4) == await all_names(log) == [*range(5, 11)]
    assert await all_names(log, order="desc", limit=4) == [*range(10, 4, -1)]


async def test_a_page_says_that_what_belongs_before_it_is_archived(
    log: AsyncClient, world: AsyncClient, database: Database
) -> None:
    async def left_out(**query: Any) -> Any:
        return (await events(log, **query))["archivedUntil"]

    old = (await mission(world, status="draft"))["id"]
    await positioned(database)
    assert await left_out() is await left_out(missionId=old) is None
    last = (await events(log))["position"]
    new = (await mission(world, status="draft"))["id"]
    await positioned(database)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE events SET timestamp = timestamp - interval '1h' * (100 - sequence)"))
    await archived(database, last)
    shown = await events(log, missionId=old)
    assert (shown["items"], shown["archivedUntil"]) == ([], last)
    assert [await left_out(**query) for query in ({}, {"limit": 1}, {"since": "2020-01-01T00:00:00Z"})] == [last] * 3
    assert await left_out(order="desc") == last  # it goes down to the archive
    assert await left_out(after=last) is None
    assert await left_out(missionId=new) is None
    await write(database, news("next"))
    await positioned(database)
    assert await left_out(order="desc", limit=1) is None
    assert await left_out(since=(utc_now() - timedelta(minutes=5)).isoformat()) is None


async def test_a_page_of_the_newest_tells_from_where_to_follow(log: AsyncClient, database: Database) -> None:
    page = await events(log, order="desc", limit=3)
    assert (page["position"], page["nextCursor"]) == (10, "8")
    await write(database, news(11))
    await positioned(database)
    assert names((await events(log, after=page["position"]))["items"]) == [11]
    older = await events(log, order="desc", limit=3, after=page["nextCursor"])
    assert (names(older["items"]), older["position"]) == ([7, 6, 5], 7)
    assert (await events(log, order="desc", type="task.*"))["position"] == 11


async def test_a_missions_event_that_is_written_while_its_events_are_read_is_not_taken_for_archived(
    log: AsyncClient, world: AsyncClient, database: Database
) -> None:
    made = await mission(world, status="draft")
    await write(database, news("a"), mission=made["id"])
    async with database.transaction() as connection:
        before = await of_mission(connection, made["id"], after=2)
    await write(database, news("b"), mission=made["id"])
    async with database.transaction() as connection:
        assert before == []
        assert await event_history.archived_of_mission(connection, made["id"], 2, before) is None


async def test_a_mission_tells_which_of_its_events_are_archived(
    log: AsyncClient, world: AsyncClient, database: Database
) -> None:
    made = await mission(world, status="draft")
    await write(database, news("a"), news("b"), mission=made["id"])
    await positioned(database)
    last = (await events(log, order="desc", limit=1))["items"][0]["sequence"]
    path = f"/work-processes/{made['id']}/events"
    assert (await world.get(path)).json()["archivedUntil"] is None
    await archived(database, last - 1)
    assert (await world.get(path, params={"after": 2})).json()["archivedUntil"] is None
    shown = (await world.get(path)).json()
    assert (names(shown["items"]), shown["archivedUntil"]) == (["b"], 2)
    assert names((await world.get(path, params={"after": 2})).json()["items"]) == ["b"]
    assert "before number 3" in problem(await world.get(path, params={"after": 1}), 410)["detail"]
    await archived(database, last)
    assert (await world.get(path, params={"after": 3})).json()["items"] == []
    problem(await world.get(path, params={"after": 2}), 410)
    assert (await world.get(path)).json() == {"items": [], "nextCursor": None, "archivedUntil": 3}


async def test_a_follower_misses_none_of_many_writers(api: AsyncClient, database: Database) -> None:
    """Transactions that began first commit last: their events must still come after what was read before."""
    chance = random.Random(7)

    async def writer(number: int) -> None:
        for turn in range(10):
            async with database.transaction() as connection:
                await append(connection, [news(f"{number}-{turn}")])
                await asyncio.sleep(chance.random() * 0.02)

    sequencer = Sequencer(database)
    sequencer.start()
    seen: list[Any] = []
    try:
        writing = asyncio.gather(*(writer(number) for number in range(8)))
        position = 0
        while len(seen) < 80:
            page = await events(api, after=position, limit=7)
            assert [item["sequence"] for item in page["items"]] == [
                *range(position + 1, position + 1 + len(page["items"]))
            ]
            seen += names(page["items"])
            position = page["position"]
        await writing
    finally:
        await sequencer.stop()
    assert sorted(seen) == sorted(f"{number}-{turn}" for number in range(8) for turn in range(10))


async def test_counts(log: AsyncClient, database: Database) -> None:
    await write(database, news("failed", EventType.TASK_FAILED, severity=Severity.ERROR))
    await archived(database, 2)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE events SET timestamp = timestamp - interval '2h' WHERE sequence = 3"))
        outlet = insert(event_outlets).values(
            name="exchange", position=4, error="refused", error_since=utc_now(), tries=3
        )
        await connection.execute(outlet)
    found = (await log.get("/events/stats")).json()
    assert found["types"] == {"recipe.changed": 7, "task.failed": 1}
    assert found["families"] == {"recipe": 7, "task": 1}
    assert found["severities"] == {"INFO": 7, "WARNING": 0, "ERROR": 1, "CRITICAL": 0}
    assert (found["total"], found["perMinute"], found["window"]) == (8, round(8 / 60, 2), 3600)
    assert (found["lastPosition"], found["oldestPosition"], found["unpositioned"]) == (10, 3, 1)
    assert datetime.fromisoformat(found["unpositionedSince"]) <= datetime.now(UTC)
    (outlet_shown,) = found["backlog"]
    assert (outlet_shown["name"], outlet_shown["behind"], outlet_shown["tries"]) == ("exchange", 6, 3)
    assert outlet_shown["error"] == "refused"
    assert (await log.get("/events/stats", params={"window": 86_400})).json()["total"] == 9
    for window in ("0", "-1", "604801", "x"):
        problem(await log.get("/events/stats", params={"window": window}), 422)


# --- no filter walks through a long log

LONG = 60_000


@pytest.fixture
async def long_log(database: Database) -> Database:
    """Many events; the last thousand of another type, a few of them grave."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                f"""
                INSERT INTO events (uuid, type, source, timestamp, payload, severity, actor, source_module, sequence,
                                    work_process_id, mission_sequence)
                SELECT gen_random_uuid(), CASE WHEN n > {LONG - 1000} THEN 'task.failed' ELSE 'task.created' END,
                    'api', now() - interval '1s' * ({LONG} - n), '{{}}',
                    CASE WHEN n % 10000 = 0 THEN 'ERROR' ELSE 'INFO' END,
                    '{{"kind": "system", "id": "muster"}}', 'test',
                    n, n / 20 + 1, n % 20
                FROM generate_series(1, {LONG}) AS n
                """
            )
        )
        await connection.execute(text(f"UPDATE event_log SET last_position = {LONG}"))
        await connection.execute(text("ANALYZE events"))
    return database


class Explaining(Connection):
    """Notes how many rows each statement on `events` looks at."""

    looked_at = 0

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        if " FROM events" in str(statement):
            plan = await super().scalar(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"), parameters)
            self.looked_at += sum(_scanned(plan[0]["Plan"]))
        return await super().execute(statement, parameters)

    async def scalar(self, statement: Any, parameters: Any = None) -> Any:
        rows = await self.execute(statement, parameters)
        return rows.scalar()


def _scanned(plan: dict[str, Any]) -> list[float]:
    own = 0.0
    if "Scan" in plan["Node Type"] and plan.get("Relation Name") == "events":
        rows = (
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
        own = rows * plan["Actual Loops"]
    return [own, *(count for inner in plan.get("Plans", ()) for count in _scanned(inner))]


HOUR_AGO = utc_now() - timedelta(hours=1)


FILTERS = [
    EventFilter(),
    EventFilter(types=frozenset({"task.failed"})),
    EventFilter(types=frozenset({"task.created", "task.failed", "task.started"})),
    EventFilter(types=frozenset({"task.cancelled"})),
    EventFilter(severity=Severity.ERROR),
    EventFilter(severity=Severity.CRITICAL),
    EventFilter(severity=Severity.ERROR, types=frozenset({"task.failed"})),
    EventFilter(agent="nobody"),
    EventFilter(agent="nobody", types=frozenset({"task.created"})),
    EventFilter(devices=frozenset({"LJ01D", "ctd-1", "ctd-2"})),
    EventFilter(devices=frozenset({"LJ01D"}), types=frozenset({"task.created", "mission.started"})),
    EventFilter(devices=frozenset({"LJ01D"}), severity=Severity.ERROR),
    EventFilter(mission_id=2000),
    EventFilter(mission_id=2000, types=frozenset({"task.failed"}), since=HOUR_AGO),
    EventFilter(since=HOUR_AGO),
    EventFilter(until=HOUR_AGO),
    EventFilter(until=HOUR_AGO, types=frozenset({"task.failed"})),
]


async def test_no_filter_looks_through_the_whole_log(long_log: Database) -> None:
    too_much = []
    for wanted in FILTERS:
        for newest_first in (False, True):
            async with long_log._connected() as driver, driver.transaction():
                connection = Explaining(driver)
                await event_history.page(connection, wanted, after=None, limit=100, newest_first=newest_first)
            if connection.looked_at > 12_000:
                too_much.append((wanted, newest_first, connection.looked_at))
    assert too_much == []
