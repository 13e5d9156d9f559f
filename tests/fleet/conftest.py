import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
from sqlalchemy import insert, select

from fleet.account_rights import rights_of
from fleet.accounts import Accounts, Login
from fleet.bus import Bus
from fleet.dead_letters import REASON_HEADER
from fleet.downlink import Downlink
from fleet.roles import Intake
from fleet.signing import Signer
from fleet.topology import DEAD_LETTER_QUEUE
from missions.contracts import ActivityPreset
from missions.events import utc_now
from missions.recipes import RecipeStep
from settings import Settings
from store import account_rights, migrate
from store.agents import AgentAddress
from store.database import Database
from store.tables import agents, map_objects, yards
from store.wakeups import Wakeup
from tests.support.event_log import check_events
from tests.support.sdk_process import SdkAgent
from tests.support.services import WorkerAddresses

YARD = "yard-1"


class RecordingWaker:
    """A waker that only notes what it was asked to deliver."""

    def __init__(self) -> None:
        self.sent: list[Wakeup] = []

    async def send(self, batch: Sequence[Wakeup]) -> None:
        self.sent += batch


class RecordingLines:
    """Stands in for the granter: notes whose grantability changed."""

    def __init__(self) -> None:
        self.agent_ids: list[int] = []

    async def __call__(self, database: Database, agent_ids: object) -> list[Wakeup]:
        self.agent_ids += sorted(agent_ids)  # type: ignore[call-overload]
        return []


def no_steps(step: RecipeStep, timeout: float) -> ActivityPreset:
    """None of these tests runs a step."""
    return ActivityPreset()


@pytest.fixture(scope="session")
def settings(worker_addresses: WorkerAddresses, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        database_url=worker_addresses.database_url,
        amqp_url=worker_addresses.amqp_url,
        amqp_management_url=worker_addresses.amqp_management_url,
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    await migrate.upgrade(settings)
    database = Database(settings)
    async with database.transaction() as connection:
        yard_id = await connection.scalar(
            insert(yards).values(uid=YARD, name="one", lat=51.0, lon=13.7, alt=113.0).returning(yards.c.id)
        )
        await connection.execute(
            insert(map_objects),
            [
                {"yard_id": yard_id, "type": "road", "data": {"points": [1, 2]}, "metadata": {"lane": 1}},
            ],
        )
        await connection.execute(
            insert(map_objects).values(yard_id=yard_id, type="gone", data={}, deleted_at=utc_now())
        )
    yield database
    try:
        await check_events(database)
    finally:
        await database.close()


@pytest.fixture
def waker() -> RecordingWaker:
    return RecordingWaker()


@pytest.fixture
def lines() -> RecordingLines:
    return RecordingLines()


@pytest.fixture
async def intake(
    settings: Settings, database: Database, waker: RecordingWaker, lines: RecordingLines
) -> AsyncIterator[Intake]:
    intake = Intake(settings, database, waker, resolve_preset=no_steps, refresh_lines=lines)
    await intake.start()
    yield intake
    await intake.stop()


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    bus = Bus(settings, "test")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture
def downlink(settings: Settings, bus: Bus) -> Downlink:
    return Downlink(settings, bus, Signer.load(settings))


@pytest.fixture
def uuid() -> str:
    return f"agent-{secrets.token_hex(4)}"


class DeadLetterReader:
    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def count(self) -> int:
        """How many there are."""
        queue = await self._channel.declare_queue(DEAD_LETTER_QUEUE, passive=True)
        return int(queue.declaration_result.message_count or 0)

    async def next(self) -> tuple[str, Any]:
        """Reason and message of the next dead letter."""
        queue = await self._channel.get_queue(DEAD_LETTER_QUEUE, ensure=False)

        async def get() -> Any:
            return await queue.get(fail=False, no_ack=True)

        message: Any = await until(get)
        return str(message.headers[REASON_HEADER]), message


@pytest.fixture
async def dead_letters(settings: Settings, intake: Intake) -> AsyncIterator[DeadLetterReader]:
    connection = await aio_pika.connect(settings.amqp_url)
    channel = await connection.channel()
    await (await channel.get_queue(DEAD_LETTER_QUEUE, ensure=False)).purge()
    yield DeadLetterReader(channel)
    await connection.close()


StartAgent = Callable[..., SdkAgent]


@pytest.fixture
async def start_agent(settings: Settings, tmp_path: Path) -> AsyncIterator[StartAgent]:
    """Starts SDK agents of this yard; by default they check in with the registration token."""
    started: list[SdkAgent] = []

    def start(uuid: str, *options: str, anonymous: bool = True) -> SdkAgent:
        token = settings.agent_registration_token.get_secret_value() if anonymous else None
        agent = SdkAgent.start(settings.amqp_url, tmp_path, uuid, "--yard", YARD, *options, token=token)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()


@pytest.fixture(params=["AMQP", "MQTT"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Enrol:
    """Registers agents with an account, as the API does; returns what their program needs to know."""

    def __init__(self, settings: Settings, database: Database, mqtt_url: str) -> None:
        self._settings, self._database, self._mqtt_url = settings, database, mqtt_url

    async def __call__(self, uuid: str, protocol: str, **columns: Any) -> tuple[str, ...]:
        login = await self.account(uuid, protocol, **columns)
        return f"--password={login.password}", *self.speaks(protocol)  # it may begin with a dash

    async def account(self, uuid: str, protocol: str, **columns: Any) -> Login:
        """Its account."""
        accounts = Accounts(self._settings)
        values = {"uuid": uuid, "protocol": protocol, "has_rbmq_account": True, "rbmq_username": uuid, **columns}
        async with self._database.transaction() as connection:
            agent_id = await connection.scalar(insert(agents).values(**values).returning(agents.c.id))
            assert agent_id is not None
            rights = rights_of(self._settings, await account_rights.standing(connection, agent_id))
        try:
            return await accounts.create(uuid, rights=rights)
        finally:
            await accounts.close()

    def speaks(self, protocol: str) -> tuple[str, ...]:
        """The option that makes the SDK agent speak this."""
        assert self._mqtt_url, "set MUSTER_MQTT_URL: this broker's MQTT port is not known"
        return ("--mqtt", str(urlsplit(self._mqtt_url).port)) if protocol == "MQTT" else ()


@pytest.fixture(scope="session")
def enrol(settings: Settings, database: Database, worker_addresses: WorkerAddresses) -> Enrol:
    return Enrol(settings, database, worker_addresses.mqtt_url)


async def agent_row(database: Database, uuid: str) -> dict[str, Any]:
    async with database.transaction() as connection:
        row = (await connection.execute(select(agents).where(agents.c.uuid == uuid))).mappings().one_or_none()
    return dict(row) if row else {}


async def address(database: Database, uuid: str) -> AgentAddress:
    row = await agent_row(database, uuid)
    return AgentAddress(row["id"], uuid, row["protocol"])


async def until(condition: Callable[[], Awaitable[object]], timeout: float = 30) -> object:
    """Wait until an async condition holds; returns its value. The failure says how often it was asked, and how long."""
    asked, start = 0, time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            while True:
                asked, since = asked + 1, time.monotonic()
                value = await condition()
                if value:
                    return value
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        now = time.monotonic()
        raise AssertionError(
            f"not within {now - start:.1f} s: asked {asked} times, the last time {now - since:.1f} s ago"
        ) from error
