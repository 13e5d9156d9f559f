"""Events of instruments and platforms, from the broker to the threads that wait for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from sqlalchemy import insert, update

from fleet import topology
from fleet.bus import Bus
from fleet.roles import Intake
from missions.events import utc_now
from missions.mission_files.contracts import ThreadSignal
from settings import Settings
from store.database import Database
from store.tables import agents, assignments
from tests.fleet.conftest import (
    DeadLetterReader,
    Enrol,
    RecordingLines,
    RecordingWaker,
    StartAgent,
    agent_row,
    no_steps,
    until,
)
from tests.fleet.raw_agent import RawAgent, enveloped
from tests.support.device_rows import DeviceRows
from tests.support.rows import Rows


@pytest.fixture
async def instrument(intake: Intake, settings: Settings, database: Database, uuid: str) -> AsyncIterator[RawAgent]:
    await Rows(database).made(agents, uuid=uuid, rbmq_username=uuid, agent_class="instrument")
    async with RawAgent(settings, await intake.accounts.create(uuid)) as agent:
        yield agent


def event_of(uuid: str, **body: Any) -> dict[str, Any]:
    return {"type": "agent_event", "uuid": uuid, "body": body}


async def say(agent: RawAgent, settings: Settings, uuid: str, *payloads: bytes) -> None:
    channel = await agent.channel()
    up = await channel.get_exchange(settings.uplink_exchange, ensure=False)
    await asyncio.gather(
        *(up.publish(aio_pika.Message(payload, user_id=uuid), f"agent.{uuid}.event") for payload in payloads)
    )


async def until_kept(rows: DeviceRows, number: int, count: int) -> None:
    async def there() -> object:
        return await rows.kept(number) == count

    await until(there)


async def test_an_event_reaches_the_threads_that_wait_for_its_id_or_its_value(
    instrument: RawAgent, settings: Settings, database: Database, waker: RecordingWaker, uuid: str
) -> None:
    rows = await DeviceRows.make(database, instrument=uuid)
    for number, word in enumerate(("atStep", "5 m", "atFloor")):
        await rows.arm(number, word)
        assert await rows.take(number, 0) is None
    bare = json.dumps(event_of(uuid, event_id="atStep", value=5, message="at a step")).encode()
    await say(instrument, settings, uuid, bare, enveloped(event_of(uuid, event_id="atStep", value="5 m")))
    await until_kept(rows, 0, 2)
    await until_kept(rows, 1, 1)

    async def told() -> object:
        return len(waker.sent) == 2

    await until(told)
    assert {wakeup.signal for wakeup in waker.sent} == {ThreadSignal.EVENT_RAISED}
    assert [await rows.take(number, 0) for number in range(3)] == ["atStep", "5 m", None]


@pytest.mark.parametrize("agent_class", ["instrument", "platform"])
async def test_an_unmodified_sdk_agent_publishes_events(
    intake: Intake,
    settings: Settings,
    database: Database,
    enrol: Enrol,
    start_agent: StartAgent,
    protocol: str,
    uuid: str,
    agent_class: str,
) -> None:
    mqtt = protocol == "MQTT"
    login = await enrol(uuid, protocol, agent_class=agent_class)
    rows = await DeviceRows.make(database, **{agent_class: uuid})
    await rows.arm(0, "atCeiling", rows.instrument if agent_class == "instrument" else rows.platform)
    exchange = settings.mqtt_exchange if mqtt else settings.uplink_exchange
    key = topology.routing_key(uuid, "event").replace(".", "/" if mqtt else ".")
    said = f"{exchange} {key} {json.dumps(event_of(uuid, event_id='atCeiling'))}"
    start_agent(uuid, "--deaf", "--say", said, *login, anonymous=False)
    await until_kept(rows, 0, 1)


BAD: dict[str, tuple[str, Any]] = {
    "no event_id": ("invalid", event_of("UUID", value="atStep")),
    "event_id is a number": ("invalid", event_of("UUID", event_id=5)),
    "event_id is null": ("invalid", event_of("UUID", event_id=None)),
    "event_id is empty": ("invalid", event_of("UUID", event_id="")),
    "event_id too long": ("invalid", event_of("UUID", event_id="x" * 201)),
    "no body": ("invalid", {"type": "agent_event", "uuid": "UUID"}),
    "body is a list": ("invalid", {"type": "agent_event", "uuid": "UUID", "body": []}),
    "a state": ("unknown_type", {"type": "agent_state", "uuid": "UUID", "body": {"status": "free"}}),
    "another's uuid": ("uuid_mismatch", event_of("somebody", event_id="atStep")),
    "no text that a database takes": ("invalid", event_of("UUID", event_id="a\u0000")),
}


async def test_bad_events_are_dead_lettered_with_their_reasons_and_the_next_one_is_taken(
    instrument: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str
) -> None:
    rows = await DeviceRows.make(database, instrument=uuid)
    await rows.arm(0, "x" * 200)
    said = {case: enveloped(message).replace(b"UUID", uuid.encode()) for case, (_, message) in BAD.items()}
    await say(instrument, settings, uuid, *said.values(), enveloped(event_of(uuid, event_id="x" * 200)))
    letters = [await dead_letters.next() for _ in BAD]
    case_of = {payload: case for case, payload in said.items()}
    assert {case_of[letter.body]: reason for reason, letter in letters} == {
        case: reason for case, (reason, _) in BAD.items()
    }
    for _, letter in letters:
        assert "event_id" not in case_of[letter.body] or "body.event_id" in str(letter.headers)
    await until_kept(rows, 0, 1)


async def test_events_of_other_agents_are_dead_lettered(
    instrument: RawAgent, settings: Settings, database: Database, dead_letters: DeadLetterReader, uuid: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.uuid == uuid).values(agent_class="vehicle"))
    await say(instrument, settings, uuid, enveloped(event_of(uuid, event_id="atStep")))
    reason, letter = await dead_letters.next()
    assert reason == "not_supported"
    assert "is a vehicle" in str(letter.headers)


async def test_an_event_of_an_unknown_agent_is_dead_lettered(
    intake: Intake, settings: Settings, dead_letters: DeadLetterReader, uuid: str
) -> None:
    async with RawAgent(settings, await intake.accounts.create(uuid)) as stranger:
        await say(stranger, settings, uuid, enveloped(event_of(uuid, event_id="atStep")))
    assert (await dead_letters.next())[0] == "unknown_agent"


async def test_a_flood_of_events_is_kept_whole_and_wakes_a_thread_once(
    instrument: RawAgent, settings: Settings, database: Database, waker: RecordingWaker, uuid: str
) -> None:
    rows = await DeviceRows.make(database, instrument=uuid)
    await rows.arm(0)
    assert await rows.take(0, 0) is None
    await say(instrument, settings, uuid, *[enveloped(event_of(uuid, event_id="atStep"))] * 1000)
    await until_kept(rows, 0, 1000)

    async def told() -> object:
        return waker.sent

    await until(told)
    assert len(waker.sent) == 1
    assert [await rows.take(0, served) for served in range(3)] == ["atStep"] * 3
    await say(instrument, settings, uuid, enveloped(event_of(uuid, event_id="atStep")))
    await until_kept(rows, 0, 1000 - 2 + 1)  # two that were served are gone
    assert len(waker.sent) == 1


async def test_events_and_reports_of_one_agent_keep_their_order_within_a_batch(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines, bus: Bus, uuid: str
) -> None:
    """Published while no intake runs, so that all of it comes as one batch."""
    await Rows(database).made(agents, uuid=uuid, rbmq_username=bus.login, agent_class="instrument")
    rows = await DeviceRows.make(database, instrument=uuid)
    await rows.arm(0, "atStep")
    await rows.arm(1, "ACQUIRE_SAMPLE")
    await rows.arm(2, "atFloor")
    async with database.transaction() as connection:
        command = await connection.scalar(
            insert(assignments)
            .values(
                work_process_id=rows.mission,
                attempt=1,
                step="thread-2",
                result_index=0,
                dispatch_group=0,
                agent_id=rows.instrument,
                workflow_id="of-the-thread",
                status="executing",
                intent_at=utc_now(),
                dispatched_at=utc_now(),
                data={"command": {"method": "execute_resource", "name": "ACQUIRE_SAMPLE", "args": [], "kwargs": {}}},
            )
            .returning(assignments.c.id)
        )
    report = {"id": command, "status": "succeeded", "result": {"state": "COMMAND"}}
    state = {"type": "agent_state", "uuid": uuid, "body": {"status": "ready", "assignment": report}}
    up = settings.uplink_exchange
    assert await bus.publish(up, f"agent.{uuid}.event", enveloped(event_of(uuid, event_id="atStep")))
    assert await bus.publish(up, f"agent.{uuid}.state", enveloped(state))
    assert await bus.publish(up, f"agent.{uuid}.event", enveloped(event_of(uuid, event_id="atFloor")))
    intake = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    await until_kept(rows, 2, 1)
    await intake.stop()
    assert 0 < await rows.first(0) < await rows.first(1) < await rows.first(2)
    assert await rows.state() == "COMMAND"


async def test_an_instrument_tells_its_state_among_its_sensors(
    instrument: RawAgent, settings: Settings, database: Database, uuid: str
) -> None:
    """A message that names none changes nothing, also when it comes right after one that does."""
    rows = await DeviceRows.make(database, instrument=uuid)

    async def tells(word: str, kind: str, state: object, temperature: float) -> None:
        for sensors in ({"instrument_state": state}, {"temperature": temperature}):
            message = {"type": kind, "uuid": uuid, "body": {"sensors": sensors, "x": temperature}}
            await instrument.publish(settings.uplink_exchange, f"agent.{uuid}.{word}", enveloped(message))

        async def taken() -> object:
            return (await agent_row(database, uuid))["x"] == temperature

        await until(taken)

    await tells("update", "agent_update", "IDLE", 1.0)
    assert await rows.state() == "IDLE"
    await tells("visualization", "agent_sensors", "COMMAND", 2.0)
    assert await rows.state() == "COMMAND"
    await tells("visualization", "agent_sensors", ["STREAMING"], 3.0)
    assert await rows.state() == "COMMAND"
    async with database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.uuid == uuid).values(agent_class="vehicle"))
    await tells("update", "agent_update", "STREAMING", 4.0)
    assert await rows.state() == "COMMAND"
