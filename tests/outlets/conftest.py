import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from missions.events import EventSource, EventType, NewEvent
from missions.principals import MUSTER
from missions.webhook_signatures import new_secret
from outlets.sequencer import Sequencer
from outlets.webhook_sender import Resolve, resolve
from outlets.webhooks import delivering_webhooks
from settings import Settings
from store import events, webhook_deliveries, webhooks
from store.database import Database
from store.rows import Row
from store.tables import work_processes, yards
from tests.support.receiver import Inbox, Receiver
from tests.support.rows import Rows
from tests.support.services import WorkerAddresses

QUICK: dict[str, Any] = {
    "webhook_allow_private": True,
    "webhook_allow_http": True,
    "webhook_schedule": (0, 0.05, 0.05, 0.05),
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

    async def emit(self, *names: str, mission: int | None = None) -> None:
        """Events of this kind: recipe.changed, or task.created of a mission."""
        kind = EventType.RECIPE_CHANGED if mission is None else EventType.TASK_CREATED
        new = [NewEvent(type=kind, source=EventSource.API, actor=MUSTER, payload={"name": name}) for name in names]
        async with self.database.transaction() as connection:
            if mission is None:
                await events.append(connection, new)
            else:
                await events.append_for_mission(connection, mission, new)


@pytest.fixture
async def hooks(database: Database, worker_addresses: WorkerAddresses) -> AsyncIterator[Hooks]:
    async with Receiver().running() as receiver:
        yield Hooks(database, worker_addresses.database_url, receiver)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM webhooks"))
