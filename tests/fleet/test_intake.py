"""Intake against a real broker and database: order, bad messages, failing batches, hand-over."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from pamqp import commands
from sqlalchemy import insert, select, update

from fleet import agent_messages
from fleet.accounts import ANONYMOUS, Login
from fleet.agent_messages import AgentMessage
from fleet.bus import Bus
from fleet.dead_letters import ROUTING_KEY_HEADER, TEXT_HEADER
from fleet.roles import Intake
from fleet.topology import Uplink
from fleet.wire import BadMessage, Reason
from missions.errors import NotFound, PartUnavailable
from missions.events import utc_now
from settings import Settings
from store import restarted_agents
from store.database import Database
from store.tables import agents, events, message_counts, work_processes
from store.wakeups import Wakeup
from tests.fleet.conftest import YARD, DeadLetterReader, RecordingLines, RecordingWaker, agent_row, no_steps, until
from tests.fleet.raw_agent import RawAgent, enveloped


@pytest.fixture
async def agent(intake: Intake, settings: Settings, database: Database, uuid: str) -> AsyncIterator[RawAgent]:
    """A registered agent with an account."""
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, rbmq_username=uuid))
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield agent


async def counted(database: Database, reason: str) -> int:
    async with database.transaction() as connection:
        number = await connection.scalar(select(message_counts.c.count).where(message_counts.c.reason == reason))
    return number or 0


async def reaches(database: Database, uuid: str, status: str) -> None:
    async def there() -> object:
        return (await agent_row(database, uuid))["status"] == status

    await until(there)


def state_of(uuid: str, **body: Any) -> dict[str, Any]:
    return {"type": "agent_state", "uuid": uuid, "body": body}


BAD: dict[str, tuple[str, Any]] = {
    "not json": ("not_json", b"{"),
    "json, no object": ("not_json", b"[1]"),
    "inner text no json": ("not_json", enveloped("hello")),
    "NaN": ("not_json", enveloped('{"uuid": "UUID", "body": {"status": "free", "resources": {"a": NaN}}}')),
    "utf-16": ("not_json", "\ufeff{}".encode("utf-16-le")),
    "deeply nested": ("not_json", b"[" * 200_000),
    "no uuid": ("no_uuid", enveloped({"type": "agent_state", "body": {"status": "free"}})),
    "another's uuid": ("uuid_mismatch", enveloped(state_of("somebody", status="free"))),
    "unknown type": ("unknown_type", enveloped({"type": "agent_song", "uuid": "UUID", "body": {"status": "free"}})),
    "unknown status": ("unknown_status", enveloped(state_of("UUID", status="dancing"))),
    "no status": ("invalid", enveloped(state_of("UUID"))),
    "body is text": ("invalid", enveloped({"type": "agent_state", "uuid": "UUID", "body": "free"})),
    "id too large": (
        "invalid",
        enveloped(state_of("UUID", status="busy", assignment={"id": 2**70, "status": "active"})),
    ),
    "unknown assignment": (
        "unknown_assignment",
        enveloped(state_of("UUID", status="busy", assignment={"id": 2**50, "status": "active"})),
    ),
    "zero character": ("invalid", enveloped(state_of("UUID", status="busy", resources={"a": "\u0000"}))),
    "lone surrogate": ("invalid", enveloped(state_of("UUID", status="busy", resources={"a": "\ud800"}))),
    "number beyond all bounds": (
        "invalid",
        enveloped('{"type": "agent_state", "uuid": "UUID", "body": {"status": "busy", "resources": {"a": 1e999}}}'),
    ),
    "status is half a character": ("unknown_status", enveloped(state_of("UUID", status="\ud800"))),
    "inner text is half a character": ("not_json", enveloped("\ud800")),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_message_is_dead_lettered_with_its_reason_and_the_flow_goes_on(
    case: str, agent: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str
) -> None:
    reason, body = BAD[case]
    before = await counted(database, reason)
    key = f"agent.{uuid}.state"
    await agent.publish(settings.uplink_exchange, key, body.replace(b"UUID", uuid.encode()))
    await agent.state(uuid, "ready")
    await reaches(database, uuid, "ready")
    found, message = await dead_letters.next()
    assert (found, message.headers[ROUTING_KEY_HEADER]) == (reason, key)

    async def count_went_up() -> object:
        return await counted(database, reason) == before + 1

    await until(count_went_up)


async def test_bad_amqp_properties_do_not_cut_the_connection(
    agent: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str
) -> None:
    channel = await agent.channel()
    underlay = await channel.get_underlay_channel()
    properties = aio_pika.Message(b"").properties
    # pamqp encodes no such text, other clients do: so its frame is changed on the way.
    properties.correlation_id = "x" * 8
    marshalled = type(properties).marshal

    def broken(self: Any) -> bytes:
        return marshalled(self).replace(b"xxxxxxxx", b"\xff" * 8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(properties), "marshal", broken)
        await underlay.basic_publish(
            enveloped(state_of(uuid, status="busy")),
            exchange=settings.uplink_exchange,
            routing_key=f"agent.{uuid}.state",
            properties=properties,
        )
    await agent.state(uuid, "ready")
    await reaches(database, uuid, "ready")
    assert (await dead_letters.next())[0] == "bad_properties"


async def test_a_routing_key_that_is_no_text_does_not_cut_the_connection(
    agent: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str
) -> None:
    # Everybody knows this account, and its rules allow any bytes where the agent's name stands.
    async with RawAgent(settings, Login(ANONYMOUS, ANONYMOUS)) as anonymous:
        channel = await (await anonymous.channel()).get_underlay_channel()
        marshalled = commands.Basic.Publish.marshal

        def broken(self: Any) -> bytes:
            return marshalled(self).replace(b"xxxx", b"\xff\xfe\xff\xfe")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(commands.Basic.Publish, "marshal", broken)
            await channel.basic_publish(
                b"{}", exchange=settings.anonymous_exchange, routing_key=f"agent.xxxx.{Uplink.CHECK_IN}"
            )
    await agent.state(uuid, "ready")
    await reaches(database, uuid, "ready")
    found, message = await dead_letters.next()
    assert (found, message.headers[ROUTING_KEY_HEADER]) == ("bad_routing_key", r"agent.\xff\xfe\xff\xfe.checkin")


async def test_a_reason_that_fits_in_no_header_is_written_with_what_fits(
    agent: RawAgent,
    settings: Settings,
    database: Database,
    dead_letters: DeadLetterReader,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(raw: Any) -> AgentMessage:
        if b"odd" in raw.body:
            raise BadMessage(Reason.INVALID, "half of \ud800")
        return real(raw)

    real = agent_messages.read
    monkeypatch.setattr("fleet.intake.read", read)
    await agent.publish(settings.uplink_exchange, f"agent.{uuid}.state", b"odd")
    await agent.state(uuid, "ready")
    await reaches(database, uuid, "ready")
    assert (await dead_letters.next())[1].headers[TEXT_HEADER] == "half of ?"


@pytest.mark.parametrize(("place", "word"), [("intake", "state"), ("sensors", "visualization")])
async def test_a_message_that_trips_our_own_mistake_is_dead_lettered_and_the_flow_goes_on(
    agent: RawAgent,
    settings: Settings,
    database: Database,
    dead_letters: DeadLetterReader,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    word: str,
) -> None:
    real = agent_messages.read

    def read(raw: Any) -> AgentMessage:
        if b"odd" in raw.body:
            raise LookupError("nobody thought of this")
        return real(raw)

    monkeypatch.setattr(f"fleet.{place}.read", read)
    key = f"agent.{uuid}.{word}"
    await agent.publish(settings.uplink_exchange, key, b"odd")
    assert (await dead_letters.next())[0] == "invalid"
    sensors = {"type": "agent_sensors", "uuid": uuid, "body": {"pose": {"x": 1}}}
    await agent.publish(settings.uplink_exchange, f"agent.{uuid}.visualization", enveloped(sensors))
    await agent.state(uuid, "ready")
    await reaches(database, uuid, "ready")

    async def moved() -> object:
        return (await agent_row(database, uuid))["x"] == 1

    await until(moved)


async def test_an_unknown_agent_is_dead_lettered(
    intake: Intake, settings: Settings, dead_letters: DeadLetterReader, uuid: str
) -> None:
    async with RawAgent(settings, await intake.accounts.create(uuid)) as stranger:
        await stranger.state(uuid)
    assert (await dead_letters.next())[0] == "unknown_agent"


async def test_a_user_with_too_many_rights_still_cannot_speak_for_an_agent(
    agent: RawAgent, settings: Settings, dead_letters: DeadLetterReader, uuid: str
) -> None:
    user = settings.amqp_url.split("://")[1].split(":")[0]
    password = settings.amqp_url.split("@")[0].rpartition(":")[2]
    async with RawAgent(settings, Login(user, password)) as operator:
        await operator.state(uuid)
    assert (await dead_letters.next())[0] == "wrong_sender"


async def test_signatures_are_checked_where_the_agent_wants_it(
    agent: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str, tmp_path: Any
) -> None:
    from fleet.signing import Signer

    signer = Signer.load(Settings(data_dir=tmp_path))
    async with database.transaction() as connection:
        await connection.execute(
            update(agents).where(agents.c.uuid == uuid).values(verify_signature=True, public_key=signer.public_pem)
        )
    await agent.state(uuid, "busy")
    assert (await dead_letters.next())[0] == "bad_signature"
    text = json.dumps(state_of(uuid, status="free"))
    await agent.publish(settings.uplink_exchange, f"agent.{uuid}.state", enveloped(text, signer.sign(text)))
    await reaches(database, uuid, "free")


async def test_states_keep_their_order_per_agent(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    words = ["busy", "ready"] * 200 + ["free"]
    channel = await agent.channel()
    up = await channel.get_exchange(settings.uplink_exchange, ensure=False)
    await asyncio.gather(
        *(
            up.publish(aio_pika.Message(enveloped(state_of(uuid, status=word)), user_id=uuid), f"agent.{uuid}.state")
            for word in words
        )
    )
    await reaches(database, uuid, "free")
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(events.c.payload)
            .where(events.c.source == f"agent:{uuid}", events.c.type == "agent.status_changed")
            .order_by(events.c.id)
        )
        assert [payload["to"] for payload in rows.scalars()] == words


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1), None])
async def test_when_an_agent_said_something_is_its_own_word_but_never_later_than_we_read_it(
    agent: RawAgent, settings: Settings, database: Database, uuid: str, ahead: timedelta | None
) -> None:
    before = utc_now()
    sent_at = None if ahead is None else (before + ahead).replace(microsecond=0)
    body = enveloped(state_of(uuid, status="free"))
    await agent.publish(settings.uplink_exchange, f"agent.{uuid}.state", body, timestamp=sent_at)
    await reaches(database, uuid, "free")
    row: Any = await agent_row(database, uuid)
    if sent_at is not None and sent_at < before:
        assert row["state_at"] == sent_at
    else:
        assert row["state_at"] == row["last_message_time"]
    assert before < row["last_message_time"] < utc_now()


async def test_grantability_is_told_after_the_commit(
    agent: RawAgent, database: Database, lines: RecordingLines, uuid: str
) -> None:
    await agent.state(uuid, "free")
    id_ = (await agent_row(database, uuid))["id"]

    async def told() -> object:
        return id_ in lines.agent_ids

    await until(told)
    assert (await agent_row(database, uuid))["status"] == "free"


async def test_while_the_database_is_away_nothing_is_lost_or_dead_lettered(
    settings: Settings,
    database: Database,
    waker: RecordingWaker,
    dead_letters: DeadLetterReader,
    agent: RawAgent,
    intake: Intake,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await counted(database, "refused_by_database")
    failures = 0
    real = Database._acquire

    async def acquire(self: Database, pool: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures <= 3:
            raise ConnectionRefusedError("no database")
        return await real(self, pool)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_acquire", acquire)
        await agent.state(uuid, "busy")

        async def tried() -> object:
            return failures > 3  # one connection a try

        await until(tried)
    await reaches(database, uuid, "busy")
    assert await counted(database, "refused_by_database") == before


async def test_a_second_intake_takes_over(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid))
    first, second = (Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines) for _ in range(2))
    await first.start()
    await second.start()
    async with RawAgent(settings, await first.accounts.create(uuid)) as agent:
        await agent.state(uuid, "busy")
        await reaches(database, uuid, "busy")
        await first.stop()
        await agent.state(uuid, "free")
        await reaches(database, uuid, "free")
    await second.stop()


async def test_a_graceful_stop_leaves_nothing_unacknowledged(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, uuid: str, bus: Bus
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid))
    intake = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        for word in ("busy", "ready", "free"):
            await agent.state(uuid, word)
        await reaches(database, uuid, "free")
        await intake.stop()
    again = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    at = (await agent_row(database, uuid))["state_at"]
    await again.start()
    await again.stop()
    assert (await agent_row(database, uuid))["state_at"] == at


class CheckInByHand:
    """Check-ins that the SDK would not make."""

    def __init__(self, agent: RawAgent, settings: Settings) -> None:
        self._agent = agent
        self._settings = settings

    async def __call__(self, uuid: str, *, kind: str = "checkin", exchange: str = "", **body: Any) -> dict[str, Any]:
        channel = await self._agent.channel()
        queue = await channel.declare_queue(None, exclusive=True)
        message = {"type": kind, "uuid": uuid, "body": {"yard_uid": YARD, **body}}
        await self._agent.publish(
            exchange or self._settings.anonymous_exchange,
            f"agent.{uuid}.checkin",
            enveloped(message),
            reply_to=queue.name,
            correlation_id="c1",
        )

        async def get() -> Any:
            return await queue.get(fail=False, no_ack=True)

        answer: Any = await until(get)
        assert answer.correlation_id == "c1"
        await channel.close()
        return json.loads(json.loads(answer.body)["message"])["body"]  # type: ignore[no-any-return]


@pytest.fixture
async def check_in(intake: Intake, settings: Settings) -> AsyncIterator[CheckInByHand]:
    async with RawAgent(settings, Login(ANONYMOUS, ANONYMOUS)) as agent:
        yield CheckInByHand(agent, settings)


async def test_refusals_say_why(check_in: CheckInByHand, settings: Settings, database: Database, uuid: str) -> None:
    token = settings.agent_registration_token.get_secret_value()
    wrong_token = await check_in(uuid, registration_token="guess")
    assert wrong_token["response_code"] == "500"
    assert "registration_token" in wrong_token["message"]
    assert "does not exist" in (await check_in(uuid, registration_token=token, yard_uid="nowhere"))["message"]
    assert "status" in (await check_in(uuid, registration_token=token, status="odd"))["message"]
    assert "body.pose" in (await check_in(uuid, registration_token=token, pose=5))["message"]
    assert await agent_row(database, uuid) == {}
    assert (await check_in(uuid, registration_token=token))["response_code"] == "200"


async def test_who_has_the_alias_of_another_agent_as_uuid_cannot_check_in(
    check_in: CheckInByHand, settings: Settings, database: Database, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=f"{uuid}-other", alias=f"PRE:{uuid}"))
    token = settings.agent_registration_token.get_secret_value()
    assert f"another name of agent {uuid}-other" in (await check_in(uuid, registration_token=token))["message"]
    assert await agent_row(database, uuid) == {}


async def test_a_known_agent_may_forbid_anonymous_check_ins(
    check_in: CheckInByHand, settings: Settings, database: Database, uuid: str
) -> None:
    token = settings.agent_registration_token.get_secret_value()
    first = await check_in(uuid, registration_token=token)
    again = await check_in(uuid, registration_token=token)
    assert first["rbmq_password"] != again["rbmq_password"]
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.uuid == uuid).values(allow_anonymous_checkin=False))
    refused = await check_in(uuid, registration_token=token)
    assert refused["response_code"] == "500"
    async with RawAgent(settings, Login(uuid, again["rbmq_password"])) as own:  # the password still holds
        answer = await CheckInByHand(own, settings)(uuid)
        assert (answer["response_code"], answer["rbmq_password"]) == ("200", "")


async def test_a_check_in_whose_batch_is_tried_again_gets_one_password(
    check_in: CheckInByHand,
    settings: Settings,
    intake: Intake,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    made: list[str] = []

    async def unavailable_at_first(database: Database, agent_id: int) -> list[Wakeup]:
        asked.append(agent_id)
        if len(asked) < 3:
            raise PartUnavailable("PostgreSQL", "gone")
        return []

    async def create(uuid: str, **_: Any) -> Login:
        made.append(uuid)
        return Login(uuid, f"password {len(made)}")

    monkeypatch.setattr(restarted_agents, "note", unavailable_at_first)
    monkeypatch.setattr(intake.accounts, "create", create)
    token = settings.agent_registration_token.get_secret_value()
    assert (await check_in(uuid, registration_token=token))["rbmq_password"] == "password 1"
    await intake.stop()
    assert (len(asked), made) == (3, [uuid])


async def test_trouble_with_attention_refuses_no_check_in(
    check_in: CheckInByHand, settings: Settings, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(database: Database, agent_id: int) -> None:
        raise NotFound("work process 5 does not exist")

    monkeypatch.setattr(restarted_agents, "note", fail)
    token = settings.agent_registration_token.get_secret_value()
    assert (await check_in(uuid, registration_token=token))["response_code"] == "200"


async def test_an_agent_cannot_take_the_operators_account(check_in: CheckInByHand, settings: Settings) -> None:
    token = settings.agent_registration_token.get_secret_value()
    answer = await check_in("guest", registration_token=token)
    assert answer["response_code"] == "500"
    assert "not an agent's" in answer["message"]


async def test_check_out_is_refused_while_the_agent_works(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    by_hand = CheckInByHand(agent, settings)
    await by_hand(uuid)
    up = settings.uplink_exchange
    await agent.state(uuid, "busy")
    await reaches(database, uuid, "busy")
    assert "is busy" in (await by_hand(uuid, kind="checkout", exchange=up))["message"]
    await agent.state(uuid, "free")
    assert (await by_hand(uuid, kind="checkout", exchange=up))["response_code"] == "200"
    assert (await agent_row(database, uuid))["yard_id"] is None


async def test_check_ins_are_events_and_the_key_is_kept(
    check_in: CheckInByHand, settings: Settings, database: Database, uuid: str
) -> None:
    token = settings.agent_registration_token.get_secret_value()
    for _ in range(2):
        await check_in(uuid, registration_token=token, public_key="PEM", public_key_format="PEM", factsheet={"a": 1})
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(events.c.type).where(events.c.source == f"agent:{uuid}").order_by(events.c.id)
        )
        assert list(rows.scalars()) == [
            "agent.registered",
            "agent.checked_in",
            "agent.status_changed",
            "agent.checked_in",
        ]
    assert (await agent_row(database, uuid))["public_key"] == "PEM"


async def test_a_grant_that_failed_after_the_commit_is_tried_again(
    settings: Settings, database: Database, waker: RecordingWaker, uuid: str
) -> None:
    async with database.transaction() as connection:
        agent_id = await connection.scalar(insert(agents).values(uuid=uuid).returning(agents.c.id))
    told: list[object] = []
    failures = 2

    async def failing_lines(database: Database, agent_ids: object) -> list[Wakeup]:
        nonlocal failures
        if agent_ids and failures:
            failures -= 1
            raise PartUnavailable("PostgreSQL", "gone between the two transactions")
        told.append(agent_ids)
        return []

    intake = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=failing_lines)
    await intake.start()
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        await agent.state(uuid, "free")

        async def granted() -> object:
            return frozenset({agent_id}) in told

        await until(granted)
    await intake.stop()


async def test_check_ins_and_states_of_one_agent_keep_their_order_within_a_batch(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, bus: Bus, uuid: str
) -> None:
    """Published while no intake runs, so that all of it comes as one batch."""
    token = settings.agent_registration_token.get_secret_value()
    up = settings.uplink_exchange
    check_in = {"type": "checkin", "uuid": uuid, "body": {"yard_uid": YARD, "registration_token": token}}
    for word, message in (
        ("checkin", check_in),
        ("state", state_of(uuid, status="busy")),
        ("checkin", check_in),
        ("state", state_of(uuid, status="ready")),
    ):
        key = f"agent.{uuid}.{word}"
        assert await bus.publish(settings.anonymous_exchange if word == "checkin" else up, key, enveloped(message))
    async with database.transaction() as connection:
        await connection.execute(insert(agents).values(uuid=uuid, rbmq_username=bus.login))
    intake = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    await reaches(database, uuid, "ready")
    await intake.stop()
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(events.c.payload)
            .where(events.c.source == f"agent:{uuid}", events.c.type == "agent.status_changed")
            .order_by(events.c.id)
        )
        assert [payload["to"] for payload in rows.scalars()] == ["free", "busy", "free", "ready"]


async def test_an_agent_whose_release_got_lost_is_released_again(
    agent: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    """It was away when its mission ended, and comes back with `ready`, as if it were still held."""
    async with database.transaction() as connection:
        agent_id = await connection.scalar(select(agents.c.id).where(agents.c.uuid == uuid))
        mission = await connection.scalar(
            insert(work_processes)
            .values(
                work_process_type_name="drive",
                status="succeeded",
                agent_ids=[agent_id],
                created_by={},
                ended_at=utc_now() - timedelta(seconds=10),
            )
            .returning(work_processes.c.id)
        )
    channel = await agent.channel()
    queue = await channel.declare_queue(None, exclusive=True)
    await queue.bind(settings.downlink_exchange, f"agent.{uuid}.instantActions")
    held = {"work_process_id": mission, "reserved": True}
    await agent.state(uuid, "ready", resources=held)
    async with asyncio.timeout(10), queue.iterator() as messages:
        message = json.loads(json.loads((await anext(messages)).body)["message"])
        assert (message["type"], message["body"]["work_process_id"]) == ("release_from_mission", mission)
        began, said = asyncio.get_running_loop().time(), 0
        again = asyncio.ensure_future(anext(messages))
        while not again.done():
            await agent.state(uuid, "ready", resources=held)
            said += 1
            await asyncio.wait([again], timeout=0.1)
    assert asyncio.get_running_loop().time() - began > 1, f"it was released again each time, or else late ({said})"
