"""The unmodified SDK against our intake and downlink, each agent its own process."""

import asyncio

from sqlalchemy import select

from fleet.downlink import AssignmentMessage, Delivery, Downlink
from fleet.roles import Intake
from store.database import Database
from store.tables import agent_details
from tests.fleet.conftest import YARD, StartAgent, address, agent_row, until


async def test_checks_in_anonymously_and_reports_free(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid)
    checked_in = await agent.wait_for("checked_in")
    assert checked_in["username"] == uuid
    assert checked_in["password"]
    body = checked_in["body"]
    assert body["yard_uid"] == YARD
    assert body["map"]["uid"] == YARD
    assert body["map"]["origin"] == {"lat": 51.0, "lon": 13.7, "alt": 113.0}
    assert body["map"]["map_objects"] == [{"type": "road", "metadata": {"lane": 1}, "data": {"points": [1, 2]}}]
    await agent.wait_for("listening")

    async def free() -> object:
        row = await agent_row(database, uuid)
        return row["state_at"] and row["resources"]

    assert await until(free) == {"operation_types_available": [], "work_process_id": None, "reserved": False}
    row = await agent_row(database, uuid)
    assert (row["status"], row["name"], row["protocol"]) == ("free", uuid.upper(), "AMQP")
    assert row["has_rbmq_account"]
    assert (row["x"], row["y"], row["orientations"]) == (1.0, 2.0, [0.5])


async def test_checks_in_with_an_account(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    await intake.accounts.create(uuid, password="secret")
    agent = start_agent(uuid, "--password", "secret")
    checked_in = await agent.wait_for("checked_in")
    assert checked_in["password"] == "secret"  # the answer held none, so the SDK kept its own connection
    await agent.wait_for("listening")
    assert (await agent_row(database, uuid))["rbmq_username"] == uuid


async def test_sensors_and_updates_are_stored(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid, "--sensors", "0.05", "--update", '{"code": "K1", "factsheet": {"payload": 7}}')
    await agent.wait_for("listening")

    async def stored() -> object:
        row = await agent_row(database, uuid)
        return row["x"] == 3.0 and row["code"] == "K1"

    await until(stored)
    async with database.transaction() as connection:
        details = (
            (
                await connection.execute(
                    select(agent_details).where(agent_details.c.agent_id == (await agent_row(database, uuid))["id"])
                )
            )
            .mappings()
            .one()
        )
    assert details["factsheet"] == {"payload": 7}
    assert details["sensors"] == {"battery": 80}


async def test_reserve_assignment_and_release_are_understood_and_verify(
    intake: Intake, downlink: Downlink, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid)
    await agent.wait_for("listening")
    to = await address(database, uuid)
    assert await downlink.reserve(to, work_process_id=7, operation_types_required=["drive"]) is Delivery.DELIVERED
    heard = await agent.wait_for("reserve")
    assert heard["verified"] is True
    assert heard["message"]["body"] == {
        "work_process_id": 7,
        "operation_types_required": ["drive"],
        "reserved": True,
    }

    async def ready() -> object:
        return (await agent_row(database, uuid))["status"] == "ready"

    await until(ready)
    message = AssignmentMessage(11, 7, 1, "2026-01-02 03:04:05", {"dependencies": []}, {"goal": [1, 2]})
    assert await downlink.assign(to, message) is Delivery.DELIVERED
    got = await agent.wait_for("assignment")
    assert got["verified"] is True
    assert got["message"]["body"] == {"goal": [1, 2]}
    assert got["message"]["metadata"] == {
        "id": 11,
        "work_process_id": 7,
        "yard_id": 1,
        "status": "to_dispatch",
        "start_time_stamp": "2026-01-02 03:04:05",
        "context": {"dependencies": []},
    }
    await agent.wait_for("state", lambda r: r["assignment"] == [11, "succeeded", {"driven": True}])
    assert await downlink.release(to, work_process_id=7) is Delivery.DELIVERED
    assert (await agent.wait_for("release"))["verified"] is True

    async def free() -> object:
        return (await agent_row(database, uuid))["status"] == "free"

    await until(free)


async def test_cancel_stops_the_drive_and_is_confirmed(
    intake: Intake, downlink: Downlink, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid, "--work", "60")
    await agent.wait_for("listening")
    to = await address(database, uuid)
    message = AssignmentMessage(12, 8, 1, "2026-01-02 03:04:05", {}, {"metadata": {"mine": 1}})
    await downlink.assign(to, message)
    await agent.wait_for("state", lambda r: r["assignment"] == [12, "executing", {}])
    assert await downlink.cancel(to, message) is Delivery.DELIVERED
    heard = await agent.wait_for("cancel")
    assert heard["verified"] is True
    assert heard["message"]["body"] == {
        "assignment_id": 12,
        "data": {"metadata": {"type": "assignment_cancel", "custom_meta": {"mine": 1}, "assignment_id": 12}},
    }
    await agent.wait_for("state", lambda r: r["assignment"] == [12, "canceled", {}])
    assert not agent.records("other")


async def test_an_agent_that_does_not_listen_is_told_at_once(
    intake: Intake, downlink: Downlink, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    agent = start_agent(uuid, "--checkout")
    await agent.wait_for("checked_out")
    to = await address(database, uuid)
    assert await downlink.reserve(to, work_process_id=1) is Delivery.NOT_LISTENING

    async def out() -> object:
        return (await agent_row(database, uuid))["yard_id"] is None

    await until(out)


async def test_a_refused_check_in_is_answered(
    intake: Intake, database: Database, start_agent: StartAgent, uuid: str
) -> None:
    async with asyncio.timeout(8):  # the SDK would wait for 10 s
        agent = start_agent(uuid, "--yard", "nowhere")
        await agent.wait_for("checkin_failed")
    assert await agent_row(database, uuid) == {}
