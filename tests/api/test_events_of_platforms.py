"""What happens on a platform: its mission files' events, and those of it and of its instruments."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import insert

from missions.event_catalogue import event
from missions.event_filters import EventFilter, expand_types
from missions.event_payloads.agent import AgentNotListening, AgentUpdated
from missions.events import EventSource, NewEvent
from missions.mission_files.lifecycle import Lifecycle, load_error
from missions.principals import MUSTER
from missions.statuses import AgentClass, Severity
from store import event_history
from store.database import Database
from store.events import append, append_for_mission
from store.platform_devices import platform_devices
from store.tables import agents
from tests.api.conftest import mission, problem
from tests.api.event_log import positioned

PLATFORM, OTHER = "LJ01D", "LV01A"


@pytest.fixture
async def platforms(world: AsyncClient, database: Database) -> AsyncClient:
    """Two platforms: one with two instruments and a mission of all sorts of events, one with one of each."""
    async with database.transaction() as connection:
        for number, uuid in ((50, PLATFORM), (51, OTHER)):
            row = {"id": number, "uuid": uuid, "alias": f"node {uuid}", "agent_class": AgentClass.PLATFORM}
            await connection.execute(insert(agents).values(row))
        for uuid, parent in (("ctd-1", 50), ("ctd-2", 50), ("ctd-3", 51)):
            row = {"uuid": uuid, "parent_id": parent, "agent_class": AgentClass.INSTRUMENT}
            await connection.execute(insert(agents).values(row))
    for platform in (PLATFORM, OTHER):
        made = await mission(world)
        of = Lifecycle(platform, "m-1")
        told = [
            of.starting(actor=MUSTER), of.thread_started(0), of.started(), of.sequence_started(0, 1),
            of.loop_ended(0, 1, 1, None), of.thread_failed(0, "no answer"), of.threads_failed(0, 1),
        ]  # fmt: skip
        async with database.transaction() as connection:
            await append_for_mission(connection, made["id"], told)
    async with database.transaction() as connection:
        await append(connection, [load_error(PLATFORM, "m-2", "line 3", actor=MUSTER)])
        await append(connection, [_of_agent(uuid) for uuid in (PLATFORM, "ctd-1", "ctd-2", OTHER, "ctd-3", "truck-1")])
        await append(connection, [_not_listening(uuid) for uuid in ("ctd-2", "ctd-3")])
        await append(connection, [_of_agent("truck-1").model_copy(update={"target": "ctd-1"})])
    await positioned(database)
    return world


def _of_agent(uuid: str) -> NewEvent:
    payload = AgentUpdated.model_validate(AgentUpdated.example() | {"agent_uuid": uuid})
    return event(payload, source=EventSource.agent(uuid), actor=MUSTER)


def _not_listening(uuid: str) -> NewEvent:
    payload = AgentNotListening.model_validate(AgentNotListening.example() | {"agent_uuid": uuid})
    return event(payload, source=EventSource.MISSION_WORKER, actor=MUSTER)


async def shown(api: AsyncClient, **query: Any) -> list[str]:
    """What is found, newest first and oldest first alike, as words."""
    words = []
    for order in ("asc", "desc"):
        answer = await api.get("/events", params={"order": order, **query})
        assert answer.status_code == 200, answer.text
        told = [f"{each['type']} {_subject(each['payload'])}" for each in answer.json()["items"]]
        words.append(told if order == "asc" else told[::-1])
    assert words[0] == words[1]
    return words[0]


def _subject(payload: dict[str, Any]) -> str:
    return str(payload.get("origin") or payload.get("agent_uuid"))


LIFE = [
    "mission.starting", "mission.thread.started", "mission.started", "mission.sequence.started",
    "mission.sequence.stopped", "mission.thread.stopped", "mission.stopped",
]  # fmt: skip


async def test_a_platform_shows_its_missions_itself_and_its_instruments(platforms: AsyncClient) -> None:
    expected = [
        *(f"{kind} {PLATFORM}" for kind in [*LIFE, "mission.load_error"]),
        *(f"agent.updated {uuid}" for uuid in (PLATFORM, "ctd-1", "ctd-2")),
        "agent.not_listening ctd-2",
        "agent.updated truck-1",  # meant for ctd-1
    ]
    assert await shown(platforms, platform=PLATFORM) == expected
    assert await shown(platforms, platform=f"node {PLATFORM}") == expected
    assert await shown(platforms, platform=50) == expected
    others = await shown(platforms, platform=OTHER)
    assert others[:7] == [f"{kind} {OTHER}" for kind in LIFE]
    assert set(others).isdisjoint(expected)


async def test_a_platform_goes_together_with_all_other_filters(platforms: AsyncClient) -> None:
    async def found(**query: Any) -> list[str]:
        return [kind.partition(" ")[0] for kind in await shown(platforms, platform=PLATFORM, **query)]

    assert await found(type="mission.*") == [*LIFE, "mission.load_error"]
    assert await found(type="mission.thread.*") == ["mission.thread.started", "mission.thread.stopped"]
    assert await found(type=["mission.sequence.stopped", "agent.*"], agent="ctd-2") == [
        "agent.updated",
        "agent.not_listening",
    ]
    grave = ["mission.thread.stopped", "mission.stopped", "mission.load_error"]
    assert await found(severity="WARNING") == [*grave, "agent.not_listening"]
    assert await found(severity="ERROR", type="mission.*") == grave
    assert await found(missionId=1) == LIFE
    assert await found(missionId=2) == []


async def test_who_is_no_platform_is_refused(platforms: AsyncClient) -> None:
    for name in ("truck-1", "ctd-1", "1", "PLATFORM", "99"):
        for path in ("/events", "/events/stream"):
            (error,) = problem(await platforms.get(path, params={"platform": name}), 422)["errors"]
            assert (error["field"], error["value"]) == ("platform", name)
            assert "agentClass=platform" in error["remedy"]


async def test_a_uuid_comes_before_an_alias_and_that_before_an_id(platforms: AsyncClient, database: Database) -> None:
    async with database.transaction() as connection:
        for number, uuid, alias in ((60, "51", "50"), (61, "node LJ01D", None)):
            row = {"id": number, "uuid": uuid, "alias": alias, "agent_class": AgentClass.PLATFORM}
            await connection.execute(insert(agents).values(row))
        expected = {"51": {"51"}, "50": {"51"}, "node LJ01D": {"node LJ01D"}, "60": {"51"}, OTHER: {OTHER, "ctd-3"}}
        assert {name: await platform_devices(connection, name) for name in expected} == expected


async def test_streams_show_what_the_history_shows(platforms: AsyncClient, database: Database) -> None:
    """Both filters, that of single events and that of the store, tell the same of each event."""
    filters = [
        EventFilter(
            devices=frozenset(devices), types=expand_types(types), severity=severity, agent=agent, mission_id=number
        )
        for devices in ((PLATFORM, "ctd-1", "ctd-2"), (PLATFORM,), ("ctd-2",), ("nobody",), ())
        for types in ([], ["mission.*"], ["mission.thread.*", "agent.updated"])
        for severity in (Severity.INFO, Severity.ERROR)
        for agent in (None, "ctd-2")
        for number in (None, 1)
    ]
    matched = 0
    async with database.transaction() as connection:
        everything = (await event_history.page(connection, after=0, limit=1000)).events
    for wanted in filters:
        async with database.transaction() as connection:
            found = (await event_history.page(connection, wanted, after=0, limit=1000)).events
        assert [each.id for each in found] == [each.id for each in everything if wanted.matches(each)], wanted
        matched += len(found)
    assert matched > 100
