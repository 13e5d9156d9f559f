"""What the unmodified SDK needs of a server, each as one test, over AMQP and over MQTT; agents are processes."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, select

from fleet import topology
from fleet.accounts import Accounts
from fleet.bus import Bus
from fleet.downlink import AssignmentMessage, Delivery, Downlink
from fleet.roles import Intake
from fleet.signing import Signer
from missions.events import utc_now
from settings import Settings
from store import agent_registry
from store.database import Database
from store.tables import agent_details, agents
from tests.fleet.conftest import (
    YARD,
    DeadLetterReader,
    Enrol,
    RecordingLines,
    RecordingWaker,
    StartAgent,
    address,
    agent_row,
    no_steps,
    until,
)
from tests.support.sdk_process import SdkAgent
from tests.support.services import WorkerAddresses
from tests.support.tap import Tap, Tapped, tapped

FIRST = AssignmentMessage(11, 7, 1, "2026-01-02 03:04:05", {"dependencies": []}, {"goal": [1, 2]})
SECOND = AssignmentMessage(12, 7, 1, "2026-01-02 03:04:05", {"dependencies": []}, {"metadata": {"mine": 1}})


@dataclass(frozen=True)
class Life:
    """What one agent and the broker saw, from check-in to release; the agent signs all, and its key is checked."""

    protocol: str
    uuid: str
    agent: SdkAgent
    tap: Tap
    row: dict[str, Any]
    details: dict[str, Any]
    public_key: str

    def heard(self, kind: str) -> dict[str, Any]:
        """The inner message, as the agent got it."""
        record = self.agent.records(kind)[0]
        message = record["message"]
        assert isinstance(message, dict)
        return message

    def answer(self) -> Tapped:
        """The answer to its check-in on its way through the broker."""
        replies = ("amq.gen-", f"agent.{self.uuid}.checkinresponse")
        return next(m for m in self.tap.messages if m.kind == "checkin" and m.routing_key.startswith(replies))


@pytest.fixture(scope="module")
async def silent(
    settings: Settings, database: Database, enrol: Enrol, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, SdkAgent]]:
    """An agent of each protocol that has reported once, and since then only keeps its connection."""
    started: dict[str, SdkAgent] = {}
    intake = Intake(settings, database, RecordingWaker(), resolve_preset=no_steps, refresh_lines=RecordingLines())
    await intake.start()
    try:
        for protocol in ("AMQP", "MQTT"):
            uuid, folder = f"agent-{secrets.token_hex(4)}", tmp_path_factory.mktemp("silent")
            options = ("--yard", YARD, "--deaf", *await enrol(uuid, protocol))
            started[protocol] = SdkAgent.start(settings.amqp_url, folder, uuid, *options)
        for agent in started.values():
            await agent.wait_for("listening")
            await _reports(database, agent.uuid, "free")
            async with database.transaction() as connection:
                agent_id: Any = (await agent_row(database, agent.uuid))["id"]
                assert (await agent_registry.get(connection, agent_id))["connection_status"] == "online"
    finally:
        await intake.stop()
    yield started
    for agent in started.values():
        agent.stop()


@pytest.fixture(scope="module", params=["AMQP", "MQTT"])
async def life(
    request: pytest.FixtureRequest,
    silent: dict[str, SdkAgent],  # begun with the file's first test, for silence takes 10 s
    settings: Settings,
    database: Database,
    worker_addresses: WorkerAddresses,
    enrol: Enrol,
    tmp_path_factory: pytest.TempPathFactory,
) -> Life:
    protocol, folder = str(request.param), tmp_path_factory.mktemp("life")
    uuid = f"agent-{secrets.token_hex(4)}"  # accounts are the broker's, not the vhost's
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode()
    (folder / "key.pem").write_bytes(
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption())
    )
    signs = {"verify_signature": True, "public_key": public}
    options: tuple[str, ...] = ()
    if protocol == "MQTT":
        options = await enrol(uuid, protocol, **signs)
    else:
        async with database.transaction() as connection:
            await connection.execute(insert(agents).values(uuid=uuid, **signs))
    bus = Bus(settings, "test")
    intake = Intake(settings, database, RecordingWaker(), resolve_preset=no_steps, refresh_lines=RecordingLines())
    await intake.start()
    await bus.connect()
    try:
        async with tapped(worker_addresses) as tap:
            agent = SdkAgent.start(
                settings.amqp_url,
                folder,
                uuid,
                *("--yard", YARD, "--signed", "--key", str(folder / "key.pem"), "--sensors", "0.05"),
                *("--update", '{"code": "K1", "factsheet": {"payload": 7}}', *options),
                token=settings.agent_registration_token.get_secret_value() if protocol == "AMQP" else None,
            )
            try:
                await _live(agent, Downlink(settings, bus, Signer.load(settings)), database)
            finally:
                agent.stop()
    finally:
        await intake.stop()
        await bus.close()
    row = await agent_row(database, uuid)
    async with database.transaction() as connection:
        details = await connection.execute(select(agent_details).where(agent_details.c.agent_id == row["id"]))
        return Life(protocol, uuid, agent, tap, row, dict(details.mappings().one()), public)


async def _live(agent: SdkAgent, downlink: Downlink, database: Database) -> None:
    await agent.wait_for("listening")

    def says(status: str, **more: Any) -> Any:
        async def there() -> object:
            row = await agent_row(database, agent.uuid)
            return all(row[name] == value for name, value in {"status": status, **more}.items())

        return there

    await until(says("free", x=3.0, code="K1"))
    to = await address(database, agent.uuid)
    assert await downlink.reserve(to, work_process_id=7, operation_types_required=["drive"]) is Delivery.DELIVERED
    await until(says("ready"))
    assert await downlink.assign(to, FIRST) is Delivery.DELIVERED
    await agent.wait_for("state", lambda record: record["assignment"] == [11, "succeeded", {"driven": True}])
    assert await downlink.assign(to, SECOND) is Delivery.DELIVERED
    assert await downlink.cancel(to, SECOND) is Delivery.DELIVERED
    await agent.wait_for("state", lambda record: record["assignment"] == [12, "canceled", {}])
    assert await downlink.custom_action(to, "pause operation", action_id=3) is Delivery.DELIVERED
    await agent.wait_for("other")
    assert await downlink.release(to, work_process_id=7) is Delivery.DELIVERED
    await until(says("free"))


# --- What an agent finds


async def test_exchanges_are_durable_topics_that_are_there_before_agents(intake: Intake, settings: Settings) -> None:
    connection = await aio_pika.connect(settings.amqp_url)
    async with connection, connection.channel() as channel:
        for name in topology.exchanges(settings):
            await channel.declare_exchange(name, passive=True)
            await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)  # refused if it is another


def test_an_account_is_named_by_the_uuid(life: Life) -> None:
    checked_in = life.agent.records("checked_in")[0]
    assert checked_in["username"] == life.uuid == life.row["rbmq_username"]
    assert life.row["has_rbmq_account"]
    assert life.row["protocol"] == life.protocol


# --- Check-in


def test_a_check_in_is_answered_where_that_protocol_listens(life: Life, settings: Settings) -> None:
    answer = life.answer()
    if life.protocol == "AMQP":  # the default exchange: an exclusive queue has no binding
        assert (answer.exchange, answer.routing_key[:8]) == ("", "amq.gen-")
    else:
        assert answer.exchange == settings.mqtt_exchange
        assert answer.routing_key == f"agent.{life.uuid}.checkinresponse"
    asked, answered = life.agent.records("started")[0], life.agent.records("answered")[0]
    assert answered["at"] - asked["at"] < 10


def test_the_answer_has_the_sdks_keys_and_the_code_as_text(life: Life) -> None:
    answer = life.answer().inner
    assert set(answer) == {"type", "uuid", "body", "_version"}
    assert answer["body"]["response_code"] == "200"
    assert answer["body"]["yard_uid"] == answer["body"]["map"]["uid"] == YARD
    assert answer["body"]["map"]["origin"] == {"lat": 51.0, "lon": 13.7, "alt": 113.0}
    road = {"type": "road", "metadata": {"lane": 1}, "data": {"points": [1, 2]}}
    assert road in answer["body"]["map"]["map_objects"]  # beside what other tests put into the yard


def test_only_an_anonymous_check_in_gets_a_password(life: Life) -> None:
    body = life.answer().inner["body"]
    assert bool(body["rbmq_password"]) is (life.protocol == "AMQP")
    assert body["rbmq_username"] == life.uuid


async def test_an_agent_with_an_account_keeps_its_connection(
    intake: Intake, enrol: Enrol, start_agent: StartAgent, uuid: str
) -> None:
    options = await enrol(uuid, "AMQP")
    agent = start_agent(uuid, *options, anonymous=False)
    await agent.wait_for("listening")
    assert agent.records("checked_in")[0]["password"] == options[0].partition("=")[2]
    message = agent.records("answered")[0]["message"]
    assert isinstance(message, dict)
    assert message["body"]["rbmq_password"] == ""


async def test_a_refused_check_in_is_answered(
    intake: Intake,
    enrol: Enrol,
    start_agent: StartAgent,
    worker_addresses: WorkerAddresses,
    database: Database,
    protocol: str,
    uuid: str,
) -> None:
    options = await enrol(uuid, protocol) if protocol == "MQTT" else ()
    async with tapped(worker_addresses) as tap, asyncio.timeout(8):  # the SDK would wait for 10 s
        agent = start_agent(uuid, "--yard", "nowhere", *options, anonymous=protocol == "AMQP")

        async def refused() -> object:
            return [m for m in tap.messages if m.kind == "checkin" and m.inner["body"].get("response_code") == "500"]

        answers: Any = await until(refused)
        assert "nowhere" in answers[0].inner["body"]["message"]
        if protocol == "AMQP":  # the SDK's MQTT client says nothing of it
            await agent.wait_for("checkin_failed")
    assert (await agent_row(database, uuid)).get("yard_id") is None


async def test_an_agent_checks_out(
    intake: Intake, enrol: Enrol, database: Database, start_agent: StartAgent, protocol: str, uuid: str
) -> None:
    options = await enrol(uuid, protocol) if protocol == "MQTT" else ()
    agent = start_agent(uuid, "--checkout", *options, anonymous=protocol == "AMQP")
    await agent.wait_for("checked_out")
    assert agent.records("checked_in")

    async def out() -> object:
        return (await agent_row(database, uuid))["yard_id"] is None

    await until(out)


# --- What we send


def test_every_message_of_ours_verifies_with_the_key_of_the_answer(life: Life) -> None:
    for kind in ("answered", "reserve", "assignment", "cancel", "release"):
        assert [record["verified"] for record in life.agent.records(kind) if record["verified"] is not True] == [], kind
        assert life.agent.records(kind), kind


def test_every_signed_message_of_the_agent_is_verified_and_taken(life: Life) -> None:
    assert (life.row["public_key"], life.row["verify_signature"]) == (life.public_key, True)
    assert (life.row["status"], life.row["x"], life.row["y"]) == ("free", 3.0, 4.0)
    assert (life.details["factsheet"], life.details["sensors"]) == ({"payload": 7}, {"battery": 80})


def test_an_order_with_the_bare_data_follows_each_assignment(life: Life, settings: Settings) -> None:
    mine = [m for m in life.tap.messages if m.routing_key.startswith(f"agent.{life.uuid}.")]
    orders = [number for number, message in enumerate(mine) if message.routing_key.endswith(".order")]
    assert [mine[number].inner for number in orders] == [FIRST.data, SECOND.data]
    listens_on = settings.downlink_exchange if life.protocol == "AMQP" else settings.mqtt_exchange
    assert {mine[number].exchange for number in orders} == {listens_on}
    before = [
        [m.inner["metadata"]["id"] for m in mine[:number] if m.routing_key.endswith(".assignment")] for number in orders
    ]
    assert before == [[11], [11, 12]]


def test_assignments_and_cancels_are_complete(life: Life) -> None:
    for kind in ("assignment", "cancel"):
        assert set(life.heard(kind)) == {"type", "uuid", "metadata", "body", "_version"}, kind
    assert life.heard("assignment")["body"] == {"goal": [1, 2]}
    assert life.heard("cancel")["body"] == {
        "assignment_id": 12,
        "data": {"metadata": {"type": "assignment_cancel", "custom_meta": {"mine": 1}, "assignment_id": 12}},
    }


def test_metadata_has_exactly_the_sdks_six_keys(life: Life) -> None:
    six = {"work_process_id": 7, "yard_id": 1, "start_time_stamp": "2026-01-02 03:04:05"}
    context = {"context": {"dependencies": []}}
    assert life.heard("assignment")["metadata"] == {"id": 11, "status": "to_dispatch", **six, **context}
    assert life.heard("cancel")["metadata"] == {"id": 12, "status": "canceling", **six, **context}


def test_reserve_and_release_have_exactly_the_sdks_three_keys(life: Life) -> None:
    for kind, operations, reserved in (("reserve", ["drive"], True), ("release", [], False)):
        body = {"work_process_id": 7, "operation_types_required": operations, "reserved": reserved}
        assert life.heard(kind)["body"] == body, kind


def test_ids_are_numbers(life: Life) -> None:
    said = [life.heard("reserve")["body"], life.heard("release")["body"]]
    said += [life.heard("assignment")["metadata"], life.heard("cancel")["metadata"]]
    ids = [one[name] for one in said for name in ("id", "work_process_id", "yard_id") if name in one]
    assert len(ids) == 8
    assert {type(one) for one in ids} == {int}


def test_the_sender_is_our_own_login(life: Life) -> None:
    senders = {record["sender"] for kind in ("reserve", "assignment", "cancel") for record in life.agent.records(kind)}
    assert senders == {"guest"} if life.protocol == "AMQP" else {None}  # MQTT has no word for it


# --- What agents send


async def test_null_parts_odd_words_and_repeats_are_taken_unsigned(
    intake: Intake,
    enrol: Enrol,
    database: Database,
    start_agent: StartAgent,
    dead_letters: DeadLetterReader,
    protocol: str,
    uuid: str,
) -> None:
    """The SDK guarantees nothing: what comes twice, late, without parts or in capitals costs nobody anything."""
    states = (
        '[["FREE", null, null], ["ready", [[], null, true], null], ["ready", [[], null, true], null],'
        ' ["busy", null, [null, "active", {}]], ["not_automatable", [["drive"], 12, false], null],'
        ' ["free", null, null]]'
    )
    agent = start_agent(uuid, "--states", states, "--deaf", *await enrol(uuid, protocol), anonymous=False)
    await agent.wait_for("listening")
    last = {"operation_types_available": [], "work_process_id": None, "reserved": False}

    async def all_taken() -> object:
        row = await agent_row(database, uuid)
        return row["status"] == "free" and row["resources"] == last

    await until(all_taken)
    assert await dead_letters.count() == 0


async def test_a_fact_sheet_is_an_update_by_another_key(
    intake: Intake,
    settings: Settings,
    enrol: Enrol,
    database: Database,
    start_agent: StartAgent,
    protocol: str,
    uuid: str,
) -> None:
    mqtt = protocol == "MQTT"
    exchange = settings.mqtt_exchange if mqtt else settings.uplink_exchange
    key = topology.routing_key(uuid, "fact_sheet").replace(".", "/" if mqtt else ".")
    update = {"type": "agent_update", "uuid": uuid, "body": {"factsheet": {"payload": 9}}}
    said = f"{exchange} {key} {json.dumps(update)}"
    start_agent(uuid, "--deaf", "--say", said, *await enrol(uuid, protocol), anonymous=False)

    async def kept() -> object:
        async with database.transaction() as connection:
            row = select(agent_details.c.factsheet).join(agents, agents.c.id == agent_details.c.agent_id)
            return await connection.scalar(row.where(agents.c.uuid == uuid)) == {"payload": 9}

    await until(kept)


async def _reports(database: Database, uuid: str, status: str) -> None:
    async def there() -> object:
        row = await agent_row(database, uuid)
        return (
            row["state_at"] is not None
            and row["status"] == status
            and (row["resources"] or {}).get("reserved") is False
        )

    await until(there)


async def test_an_agent_that_reports_before_it_listens_is_known_not_to(
    intake: Intake,
    downlink: Downlink,
    enrol: Enrol,
    database: Database,
    start_agent: StartAgent,
    protocol: str,
    uuid: str,
) -> None:
    agent = start_agent(uuid, "--deaf", *await enrol(uuid, protocol), anonymous=False)
    await agent.wait_for("listening")
    await _reports(database, uuid, "free")
    assert await downlink.reserve(await address(database, uuid), work_process_id=1) is Delivery.NOT_LISTENING


@pytest.fixture
async def orphans_expire_soon(settings: Settings, intake: Intake) -> AsyncIterator[None]:
    accounts = Accounts(settings.model_copy(update={"orphan_queue_expires": 0.5}))
    await accounts.prepare()
    yield
    await accounts.close()
    await intake.accounts.prepare()


async def test_the_queues_of_an_agent_that_is_gone_expire(
    intake: Intake,
    orphans_expire_soon: None,
    downlink: Downlink,
    enrol: Enrol,
    database: Database,
    start_agent: StartAgent,
    protocol: str,
    uuid: str,
) -> None:
    agent = start_agent(uuid, *await enrol(uuid, protocol), anonymous=False)
    await agent.wait_for("listening")
    await _reports(database, uuid, "free")
    to = await address(database, uuid)
    await asyncio.sleep(1)  # nothing shall happen: twice as long as unread queues live
    assert await downlink.reserve(to, work_process_id=1) is Delivery.DELIVERED
    agent.kill()

    async def gone() -> object:
        return await downlink.reserve(to, work_process_id=2) is Delivery.NOT_LISTENING

    await until(gone)


@pytest.mark.parametrize("protocol", ["AMQP", "MQTT"])
async def test_an_agent_is_online_by_its_last_message_not_by_its_connection(
    silent: dict[str, SdkAgent], database: Database, protocol: str
) -> None:
    agent = silent[protocol]

    async def offline() -> bool:
        row = await agent_row(database, agent.uuid)
        async with database.transaction() as connection:
            shown = await agent_registry.get(connection, row["id"])
        silence = utc_now() - row["last_message_time"]
        if shown["connection_status"] == "online":
            assert silence < timedelta(seconds=11)
            return False
        assert silence >= timedelta(seconds=10)
        return True

    await until(offline)
    assert agent.process.poll() is None
    assert agent.records("connection_lost") == []
