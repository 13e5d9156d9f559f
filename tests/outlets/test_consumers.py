"""The readers' side of the exchange, as docs/users.md recommends it: a queue with a limit and a place for poison."""

from typing import Any

import pytest

from missions.events import EventType
from settings import Settings
from store.database import Database
from tests.outlets.conftest import Log, channel_of, name_of, publishing
from tests.support.site import until

pytestmark = pytest.mark.stack

LIMIT = 3


async def test_event_whose_reader_fails_comes_again_and_poison_is_put_aside(
    settings: Settings, database: Database, log: Log
) -> None:
    async with channel_of(settings) as channel:
        exchange = await channel.declare_exchange(settings.events_exchange, "topic", durable=True)
        dead = await channel.declare_queue(f"{settings.events_exchange}.dead", durable=True)
        queue = await channel.declare_queue(
            f"{settings.events_exchange}.mine",
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead.name,
            },
        )
        await queue.bind(exchange, "recipe.#")
        tried: list[str] = []
        done: list[str] = []

        async def take(message: Any) -> None:
            name = name_of(message)
            tried.append(name)
            if name == "poison" or (name == "passing" and tried.count(name) < 2):
                await message.nack(requeue=True)
            else:
                done.append(name)
                await message.ack()

        await queue.consume(take)
        async with publishing(settings, database):
            await log.write("first", "passing", "poison", "last")
            await log.write("of another type", type=EventType.YARD_CHANGED)

            async def settled() -> bool:
                return len(done) == 3 and bool(await _count(channel, dead.name))

            await until(settled, 20, lambda: f"{tried} {done}")
        assert sorted(done) == ["first", "last", "passing"]
        assert tried.count("poison") == LIMIT + 1
        letter = await dead.get(no_ack=True)
        assert name_of(letter) == "poison"
        await queue.delete(if_unused=False, if_empty=False)
        await dead.delete(if_unused=False, if_empty=False)


async def _count(channel: Any, name: str) -> int:
    queue = await channel.declare_queue(name, durable=True, passive=True)
    return int(queue.declaration_result.message_count)
