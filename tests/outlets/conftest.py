import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aio_pika
import asyncpg
import pytest
from sqlalchemy import make_url, text

from cli.stack.addresses import Addresses
from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER
from missions.webhook_signatures import new_secret
from outlets.exchange import OUTLET, ExchangeOutlet
from outlets.sequencer import Sequencer
from outlets.webhook_sender import Resolve, resolve
from outlets.webhooks import delivering_webhooks
from settings import Settings
from store import events, webhook_deliveries, webhooks
from store.database import Database
from store.event_backlogs import Backlog, backlogs
from store.migrate import upgrade
from store.rows import Row
from store.tables import work_process_types, work_processes, yards
from tests.support.receiver import Inbox, Receiver
from tests.support.rows import Rows
from tests.support.services import WorkerAddresses
from tests.support.site import until


@pytest.fixture(scope="session")
async def database_url(services: Addresses) -> AsyncIterator[str]:
    """A migrated database of the outlets' own: they take a log as it is, and forget it."""
    name = f"muster_outlets_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    url = make_url(services.database_url).set(database=name).render_as_string(hide_password=False)
    await upgrade(Settings(database_url=url))
    yield url
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(Settings(database_url=database_url))
    yield database
    await database.close()


@pytest.fixture
def settings(database_url: str, worker_addresses: WorkerAddresses) -> Settings:
    """With an exchange that no other test uses."""
    return Settings(
        database_url=database_url,
        amqp_url=worker_addresses.amqp_url,
        amqp_management_url=worker_addresses.amqp_management_url,
        events_exchange=f"events-{secrets.token_hex(4)}",
    )


class Log:
    """Writes to the log of events, and looks at its outlets."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def write(self, *names: str, type: EventType = EventType.RECIPE_CHANGED) -> None:
        """One event for each name, in one transaction."""
        new = [NewEvent(type=type, source=EventSource.API, actor=MUSTER, payload={"name": name}) for name in names]
        async with self.database.transaction() as connection:
            await events.append(connection, new)

    async def forget(self) -> None:
        """What other tests wrote."""
        async with self.database.transaction() as connection:
            await connection.execute(text("DELETE FROM events"))
            await connection.execute(text("DELETE FROM event_outlets"))
            await connection.execute(text("DELETE FROM parked_events"))
            await connection.execute(text("UPDATE event_log SET archived_position = last_position"))

    async def backlog(self) -> Backlog:
        """How the outlet stands, once it has begun."""

        async def read() -> Backlog | None:
            async with self.database.statement() as connection:
                return next((each for each in await backlogs(connection) if each.name == OUTLET), None)

        found = await until(read, 20)
        assert isinstance(found, Backlog)
        return found

    async def until_delivered(self, timeout: float = 20) -> None:
        """Wait until nothing is left."""

        async def nothing_left() -> bool:
            async with self.database.statement() as connection:
                unnumbered = await connection.scalar(text("SELECT count(*) FROM events WHERE sequence IS NULL"))
            return not unnumbered and (await self.backlog()).behind == 0

        await until(nothing_left, timeout)

    async def until_stuck(self, word: str) -> Backlog:
        """Wait until the outlet shows an error that says this."""

        async def says() -> Backlog | None:
            found = await self.backlog()
            return found if word in (found.error or "") else None

        found = await until(says, 20)
        assert isinstance(found, Backlog)
        return found


@pytest.fixture
async def log(database: Database) -> Log:
    log = Log(database)
    await log.forget()
    return log


class Reader:
    """A consumer with a queue of its own on the exchange."""

    def __init__(self, channel: Any, exchange: str) -> None:
        self.channel, self._exchange = channel, exchange
        self.messages: list[Any] = []

    async def listen(self, key: str = "#", **arguments: Any) -> None:
        """From now on; the exchange is made if it is not there yet."""
        await self.channel.declare_exchange(self._exchange, "topic", durable=True)
        queue = await self.channel.declare_queue(None, exclusive=True, arguments=arguments)
        await queue.bind(self._exchange, key)
        await queue.consume(self._take, no_ack=True)

    async def _take(self, message: Any) -> None:
        self.messages.append(message)

    def names(self) -> list[str]:
        """What came, by the names in the payloads."""
        return [name_of(message) for message in self.messages]

    async def until_names(self, names: list[str], timeout: float = 20) -> None:
        """Wait until exactly these came, in this order."""

        async def there() -> bool:
            return self.names() == names

        await until(there, timeout, lambda: f"{self.names()} are not {names}")


def name_of(message: Any) -> str:
    return str(json.loads(message.body)["payload"]["name"])


@asynccontextmanager
async def channel_of(settings: Settings) -> AsyncIterator[Any]:
    connection = await aio_pika.connect(settings.amqp_url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[Reader]:
    async with channel_of(settings) as channel:
        yield Reader(channel, settings.events_exchange)


@asynccontextmanager
async def publishing(settings: Settings, database: Database) -> AsyncIterator[None]:
    """The sequencer and the outlet at work."""
    loops = [Sequencer(database), ExchangeOutlet(settings, database, "test")]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        await asyncio.gather(*(loop.stop() for loop in loops))


QUICK: dict[str, Any] = {
    "webhook_allow_private": True,
    "webhook_allow_http": True,
    "webhook_schedule": (0.05, 0.05, 0.05),
    "webhook_timeout": 5.0,
}


class Hooks:
    """Webhooks, their receiver, and events for them."""

    def __init__(self, database: Database, database_url: str, receiver: Receiver) -> None:
        self.database, self._database_url, self.receiver = database, database_url, receiver

    def settings(self, **changes: Any) -> Settings:
        return Settings(database_url=self._database_url, **(QUICK | changes))

    @asynccontextmanager
    async def delivering(self, resolve: Resolve = resolve, **changes: Any) -> AsyncIterator[None]:
        """Sequencer, fan-out and deliverer at work."""
        async with AsyncExitStack() as stack:
            sequencer = Sequencer(self.database)
            sequencer.start()
            stack.push_async_callback(sequencer.stop)
            await stack.enter_async_context(delivering_webhooks(self.settings(**changes), self.database, resolve))
            yield

    async def make(self, inbox: Inbox | str, **values: Any) -> int:
        url = inbox if isinstance(inbox, str) else inbox.url
        row = {"url": url, "types": [], "secret": new_secret()} | values
        async with self.database.transaction() as connection:
            return await webhooks.create(connection, row, after=None, principal=MUSTER, source=EventSource.API)

    async def read(self, webhook: int) -> Row:
        async with self.database.transaction() as connection:
            return await webhooks.get(connection, webhook)

    async def deliveries(self, webhook: int) -> list[Row]:
        """The oldest first."""
        async with self.database.transaction() as connection:
            return (await webhook_deliveries.page(connection, webhook, before=None, limit=1000))[::-1]

    async def states(self, webhook: int) -> list[str]:
        return [row["state"] for row in await self.deliveries(webhook)]

    async def mission(self) -> int:
        rows = Rows(self.database)
        yard = await rows.made(yards, uid=secrets.token_hex(6))
        return await rows.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=yard,
            yard_uid="y",
            created_by={},
            workflow_id=secrets.token_hex(6),
        )

    async def recipe(self, name: str) -> None:
        await Rows(self.database).made(work_process_types, name=name)

    async def emit(self, *names: str, mission: int | None = None, kind: EventType | None = None) -> None:
        """Events of a kind: if none is named recipe.changed, or task.created of a mission."""
        kind = kind or (EventType.RECIPE_CHANGED if mission is None else EventType.TASK_CREATED)
        new = [NewEvent(type=kind, source=EventSource.API, actor=MUSTER, payload={"name": name}) for name in names]
        async with self.database.transaction() as connection:
            if mission is None:
                await events.append(connection, new)
            else:
                await events.append_for_mission(connection, mission, new)


@pytest.fixture
async def hooks(database: Database, database_url: str) -> AsyncIterator[Hooks]:
    async with Receiver().running() as receiver:
        yield Hooks(database, database_url, receiver)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM webhooks"))
        await connection.execute(text("DELETE FROM webhook_deliveries"))
