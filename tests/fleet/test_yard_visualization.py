"""What tools and assistants see in their yard, published with the yard's key."""

import asyncio
import json
from typing import Any

from sqlalchemy import delete, insert, select

from fleet.accounts import agent_rights
from fleet.roles import Intake
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.tables import (
    agents,
    map_objects,
    message_counts,
    reservation_requests,
    reservation_selectors,
    work_processes,
    yards,
)
from tests.fleet.conftest import YARD, Enrol, RecordingLines, StartAgent, agent_row, until
from tests.fleet.raw_agent import RawAgent, enveloped
from tests.fleet.raw_mqtt import RawMqtt
from tests.support.services import WorkerAddresses

UPLINK = "xchange_helyos.agents.ul"


def says(subject: str, body: dict[str, Any], yard: str = YARD) -> tuple[str, str]:
    message = json.dumps({"type": "agent_sensors", "uuid": subject, "body": body})
    return "--say", f"{UPLINK} yard.{yard}.visualization {message}"


async def make(database: Database, uuid: str, agent_class: str = "vehicle") -> int:
    """A known agent of a class that stands in the yard; returns the yard's id."""
    async with database.transaction() as connection:
        yard_id = await connection.scalar(select(yards.c.id).where(yards.c.uid == YARD))
        await connection.execute(insert(agents).values(uuid=uuid, agent_class=agent_class, yard_id=yard_id))
    assert yard_id is not None
    return yard_id


async def refused(database: Database, reason: str) -> int:
    async with database.transaction() as connection:
        count = await connection.scalar(select(message_counts.c.count).where(message_counts.c.reason == reason))
    return count or 0


async def test_a_tool_sees_agents_and_map_objects_of_its_yard(
    intake: Intake, settings: Settings, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    yard_id = await make(database, f"{uuid}-seen")
    await make(database, uuid, "tool")
    async with database.transaction() as connection:
        row = insert(map_objects).values(yard_id=yard_id, type=uuid, name="gate", data={"open": False})
        object_id = await connection.scalar(row.returning(map_objects.c.id))
        elsewhere = insert(yards).values(uid=f"{uuid}-other").returning(yards.c.id)
        other = insert(map_objects).values(yard_id=await connection.scalar(elsewhere), type=uuid, data={"open": False})
        foreign_id = await connection.scalar(other.returning(map_objects.c.id))
    await intake.accounts.create(uuid, password="secret")
    await grant_yard(intake, settings, uuid)
    agent = start_agent(
        uuid,
        "--password",
        "secret",
        *says(f"{uuid}-seen", {"pose": {"x": 7.5, "y": 8.5, "z": 0.0}}),
        *says(
            uuid,
            {
                "map_objects": [
                    {"id": foreign_id, "data": {"n": 0}},
                    {"id": object_id, "data": {"open": True}},
                    {"id": foreign_id, "data": {"n": 1}},
                ]
            },
        ),
    )
    await agent.wait_for("listening")

    async def seen() -> object:
        return (await agent_row(database, f"{uuid}-seen"))["x"] == 7.5

    async def opened() -> object:
        async with database.transaction() as connection:
            query = select(map_objects.c.name, map_objects.c.data).where(map_objects.c.type == uuid)
            rows = (await connection.execute(query.order_by(map_objects.c.id))).all()
        return [tuple(row) for row in rows] == [("gate", {"open": True}), (None, {"open": False})]

    await until(seen)
    await until(opened)
    # Another saw it: that is no word of its own.
    assert (await agent_row(database, f"{uuid}-seen"))["last_message_time"] is None


async def test_a_battery_that_a_tool_sees_moves_its_agent_up_in_the_line(
    settings: Settings, intake: Intake, database: Database, enrol: Enrol, uuid: str, lines: RecordingLines
) -> None:
    yard_id, now = await make(database, f"{uuid}-seen"), utc_now()
    async with database.transaction() as connection:
        mission = await connection.scalar(
            insert(work_processes)
            .values(work_process_type_name="any", status="draft", yard_id=yard_id, yard_uid=YARD, created_by={})
            .returning(work_processes.c.id)
        )
        request = await connection.scalar(
            insert(reservation_requests)
            .values(work_process_id=mission, attempt=1, status="waiting", priority=1, enqueued_at=now, score_key=now)
            .returning(reservation_requests.c.id)
        )
        waits = {"request_id": request, "yard_id": yard_id, "score_key": now, "count": 1, "agent_class": "vehicle"}
        await connection.execute(
            insert(reservation_selectors).values(waits | {"operation_types": [], "battery_above": 50})
        )
    login = await enrol.account(uuid, "AMQP", agent_class="tool", yard_id=yard_id)
    charged = {"type": "agent_sensors", "uuid": f"{uuid}-seen", "body": {"sensors": {"battery": 90}}}
    async with RawAgent(settings, login) as tool:
        await tool.publish(UPLINK, f"yard.{YARD}.visualization", enveloped(charged))

    async def refreshed() -> object:
        return lines.agent_ids

    assert await until(refreshed) == [(await agent_row(database, f"{uuid}-seen"))["id"]]
    async with database.transaction() as connection:
        await connection.execute(delete(reservation_requests).where(reservation_requests.c.id == request))


async def test_a_map_object_is_changed_by_the_tools_of_its_own_yard_only(
    settings: Settings, intake: Intake, database: Database, enrol: Enrol, uuid: str
) -> None:
    """Both name it in one batch."""
    yard_id = await make(database, uuid)
    async with database.transaction() as connection:
        other_id = await connection.scalar(insert(yards).values(uid=f"{uuid}-y").returning(yards.c.id))
        row = insert(map_objects).values(yard_id=yard_id, type=uuid, name="gate")
        object_id = await connection.scalar(row.returning(map_objects.c.id))

    async def say(name: str, yard: str, standing_in: int, changed: dict[str, Any]) -> None:
        login = await enrol.account(name, "AMQP", agent_class="tool", yard_id=standing_in)
        body = {"map_objects": [{"id": object_id, **changed}]}
        message = enveloped({"type": "agent_sensors", "uuid": name, "body": body})
        async with RawAgent(settings, login) as raw:
            await raw.publish(UPLINK, f"yard.{yard}.visualization", message)

    await asyncio.gather(
        say(f"{uuid}-a", YARD, yard_id, {"data": 1}),
        say(f"{uuid}-b", f"{uuid}-y", other_id or 0, {"name": "stolen"}),
        say(f"{uuid}-c", f"{uuid}-y", other_id or 0, {"name": "stolen"}),
    )

    async def changed() -> object:
        async with database.transaction() as connection:
            row = await connection.execute(select(map_objects).where(map_objects.c.id == object_id))
        return row.mappings().one()["data"] == 1

    await until(changed)
    async with database.transaction() as connection:
        name = await connection.scalar(select(map_objects.c.name).where(map_objects.c.id == object_id))
    assert name == "gate"


async def test_a_tool_sees_by_the_rights_of_its_account(
    settings: Settings,
    intake: Intake,
    database: Database,
    enrol: Enrol,
    worker_addresses: WorkerAddresses,
    protocol: str,
    uuid: str,
) -> None:
    yard_id = await make(database, f"{uuid}-seen")
    login = await enrol.account(uuid, protocol, agent_class="tool", yard_id=yard_id)
    message = {"type": "agent_sensors", "uuid": f"{uuid}-seen", "body": {"pose": {"x": 3.5, "y": 1.0, "z": 0.0}}}
    if protocol == "MQTT":
        mqtt = RawMqtt(settings, worker_addresses.mqtt_url, login)
        assert await mqtt.may_publish(f"yard/{YARD}/visualization", enveloped(message))
    else:
        async with RawAgent(settings, login) as raw:
            await raw.publish(UPLINK, f"yard.{YARD}.visualization", enveloped(message))

    async def seen() -> object:
        return (await agent_row(database, f"{uuid}-seen"))["x"] == 3.5

    await until(seen)


async def test_who_is_no_tool_or_speaks_of_another_yard_is_dead_lettered(
    intake: Intake, settings: Settings, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    await make(database, f"{uuid}-seen")
    await make(database, uuid)
    before = await refused(database, "wrong_sender")
    await intake.accounts.create(uuid, password="secret")
    await grant_yard(intake, settings, uuid)
    agent = start_agent(uuid, "--password", "secret", *says(f"{uuid}-seen", {"pose": {"x": 9.5, "y": 8.5, "z": 0.0}}))
    await agent.wait_for("listening")

    async def counted() -> object:
        return await refused(database, "wrong_sender") == before + 1

    await until(counted)
    assert (await agent_row(database, f"{uuid}-seen"))["x"] is None


async def grant_yard(intake: Intake, settings: Settings, uuid: str) -> None:
    """Give the account the right to the yard's key."""
    await intake.accounts.set_rights(uuid, agent_rights(settings, uuid, yard_uid=YARD))
