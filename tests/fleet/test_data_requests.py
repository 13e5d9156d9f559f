"""Data requests with the unmodified SDK's `DatabaseConnector`: what an assistant may, and what others may not."""

import json
from typing import Any

from sqlalchemy import insert, select

from fleet.roles import Intake
from store.database import Database
from store.tables import agents, events, map_objects
from tests.fleet.conftest import YARD, StartAgent

ALL_NAMES = (
    "allAgents",
    "allYards",
    "allLeaders",
    "allFollowers",
    "allMapObjects",
    "allExecutingMissions",
    "executingMissions",
)
_SECRETS = {"rbmq_username", "public_key", "read_permissions", "write_permissions", "configure_permissions"}


async def answers(
    database: Database, start_agent: StartAgent, uuid: str, agent_class: str, *requests: dict[str, Any]
) -> list[Any]:
    """What an agent of a class is answered, request by request."""
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, agent_class=agent_class))
    options = [word for request in requests for word in ("--ask", json.dumps(request))]
    agent = start_agent(uuid, *options)
    await agent.wait_for("listening")
    return [record["answer"] for record in agent.records("answered") if "answer" in record]  # not the check-in


async def test_assistant_reads_its_yard_and_changes_its_map(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    found = await answers(
        database,
        start_agent,
        uuid,
        "assistant",
        {"query": "allAgents", "conditions": {"uuid": uuid}},
        {"mutation": "createMapObjects", "data": [{"type": "wall", "data": {"n": 1}}, {"type": uuid}]},
        {"query": "allMapObjects", "conditions": {"type": uuid}},
        {"mutation": "deleteMapObjects", "condition": {"type": uuid}},
        {"query": "allMapObjects", "conditions": {"type": uuid}},
        {"query": "missionAssignments", "conditions": {"work_process_id": 1}},
        {"query": "missionsById", "conditions": {"id__in": [1, 2]}},
        *({"query": name} for name in ALL_NAMES),
    )
    (me,), made, (mine,), deleted, *rest = found
    assert (me["uuid"], me["agent_class"], me["connection_status"]) == (uuid, "assistant", "online")
    assert not me.keys() & _SECRETS
    assert [(item["type"], item["data"]) for item in made] == [("wall", {"n": 1}), (uuid, None)]
    assert mine["id"] == made[1]["id"]
    assert deleted == [mine["id"]]
    assert rest[:3] == [[], [], []]
    assert all(isinstance(rows, list) for rows in rest[3:])
    assert YARD in [yard["uid"] for yard in rest[4]]
    async with database.transaction() as connection:
        told = await connection.scalars(
            select(events.c.payload["action"].astext)
            .where(events.c.type == "yard.map_updated", events.c.actor["id"].astext == uuid)
            .order_by(events.c.id)
        )
        assert list(told) == ["created", "deleted"]


async def test_map_objects_are_changed_by_id_all_or_none(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(map_objects.c.yard_id).limit(1))
        row = insert(map_objects).values(yard_id=yard_id, type=uuid, name="old", data={"kept": True})
        object_id = await connection.scalar(row.returning(map_objects.c.id))
    one = {"query": "allMapObjects", "conditions": {"id": object_id}}
    changed, after, refused, still, deleted = await answers(
        database,
        start_agent,
        uuid,
        "assistant",
        {"mutation": "updateMapObjects", "data": [{"id": object_id, "name": "new"}]},
        one,
        {"mutation": "updateMapObjects", "data": [{"id": object_id, "name": "newer"}, {"id": 10**9, "name": "none"}]},
        one,
        {"mutation": "deleteMapObjectByIds", "condition": {"ids": [object_id, 10**9]}},
    )
    assert changed == deleted == [object_id]
    assert (after[0]["name"], after[0]["data"], after[0]["type"]) == ("new", {"kept": True}, uuid)
    assert "no map object 1000000000" in refused["error"]
    assert still[0]["name"] == "new"


async def test_refusals_are_answered_and_name_the_remedy(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    requests: list[tuple[dict[str, Any], str]] = [
        ({"query": "allSecrets"}, "use one of allYards"),
        ({"mutation": "deleteAgents"}, "use one of createMapObjects"),
        ({"query": "allAgents", "conditions": {"public_key": "x"}}, "there is no column 'public_key'"),
        ({"query": "allAgents", "conditions": {"yard_id": 10**9}}, "its own yard only"),
        ({"query": "allAgents", "conditions": {"id": "1; DROP TABLE agents"}}, "compare ids with numbers"),
        ({"query": "missionsById"}, "send `id`"),
        ({"mutation": "deleteMapObjects"}, "would delete the whole map"),
        ({"mutation": "createMapObjects", "data": {}}, "send a list of map objects"),
        ({"mutation": "createMapObjects", "data": [{"colour": "red"}]}, "data.0.colour"),
        ({"mutation": "createMapObjects", "data": [{"yard_id": 10**9}]}, "its own yard only"),
        ({}, "there is no query None"),
    ]
    found = await answers(database, start_agent, uuid, "assistant", *(request for request, _ in requests))
    for (_, words), answer in zip(requests, found, strict=True):
        assert words in answer["error"]


async def test_a_vehicle_may_read_the_map_and_no_more(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    readable, agents_, change = await answers(
        database,
        start_agent,
        uuid,
        "vehicle",
        {"query": "allMapObjects"},
        {"query": "allAgents"},
        {"mutation": "createMapObjects", "data": [{}]},
    )
    assert isinstance(readable, list)
    assert "give the agent the class `assistant`" in agents_["error"]
    assert "is for assistants" in change["error"]
