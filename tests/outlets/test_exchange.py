"""Events on the exchange: each at least once, in order, whatever the broker does meanwhile."""

import json
import secrets
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from missions.events import Event, EventType
from missions.principals import MUSTER
from outlets import confirmed_publisher
from settings import Settings
from store import parked_events
from store.database import Database
from store.notifications import notify
from store.positions import POSITIONED
from tests.fleet.proxy import before_the_broker
from tests.outlets.conftest import Log, Reader, channel_of, publishing
from tests.support.site import until

pytestmark = pytest.mark.stack


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def once(names: list[str]) -> list[str]:
    """Without what came again."""
    return list(dict.fromkeys(names))


async def test_event_arrives_as_the_log_has_it(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen("recipe.#")
    async with publishing(settings, database):
        await log.write("a")
        await reader.until_names(["a"])
    (message,) = reader.messages
    event = Event.model_validate_json(message.body)
    assert (event.type, event.payload) == ("recipe.changed", {"name": "a"})
    assert message.routing_key == message.type == event.type
    assert message.message_id == event.id
    assert (message.delivery_mode, message.app_id, message.content_type) == (2, "muster", "application/json")
    assert message.headers == {"sequence": event.sequence}
    assert int(message.timestamp.timestamp()) == int(event.timestamp.timestamp())


async def test_cloud_events_by_setting(settings: Settings, database: Database, log: Log, reader: Reader) -> None:
    await reader.listen()
    async with publishing(settings.model_copy(update={"events_format": "cloudevents"}), database):
        await log.write("a")
        await until(lambda: _any(reader.messages), 10)
    (message,) = reader.messages
    body = json.loads(message.body)
    assert message.content_type == "application/cloudevents+json"
    assert (body["specversion"], body["id"], body["type"]) == ("1.0", message.message_id, "recipe.changed")


async def _any(messages: list[Any]) -> bool:
    return bool(messages)


async def test_events_of_before_the_first_start_are_published_too(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen()
    await log.write(*numbers(1, 700))
    async with publishing(settings, database):
        await reader.until_names(numbers(1, 700))


async def test_next_process_goes_on_where_the_first_stopped(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen()
    async with publishing(settings, database):
        await log.write("a")
        await log.until_delivered()
    await log.write("b")
    async with publishing(settings, database), publishing(settings, database):
        await reader.until_names(["a", "b"])
        await log.until_delivered()


async def test_exchange_deleted_in_mid_flow_is_made_again(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    async with publishing(settings, database), channel_of(settings) as channel:
        await reader.listen()
        await log.write(*numbers(1, 50))
        await log.until_delivered()
        exchange = await channel.get_exchange(settings.events_exchange, ensure=False)
        await exchange.delete()
        await log.write(*numbers(51, 100))
        await log.until_delivered()  # to nobody, since its bindings went with it
        await reader.listen()
        await log.write("101")
        await reader.until_names([*numbers(1, 50), "101"])


async def test_account_without_rights_waits_in_order_until_it_gets_them(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen()
    user = f"events-{secrets.token_hex(4)}"
    async with httpx.AsyncClient(base_url=settings.amqp_management_url, trust_env=False, timeout=30) as management:
        rights = f"/api/permissions/{settings.amqp_url.rpartition('/')[2]}/{user}"

        async def put(path: str, body: dict[str, str]) -> None:
            (await management.put(path, json=body)).raise_for_status()

        await put(f"/api/users/{user}", {"password": "secret-word", "tags": ""})
        await put(rights, {"configure": "^$", "write": "^$", "read": "^$"})
        scheme, _, rest = settings.amqp_url.partition("://")
        own = f"{scheme}://{user}:secret-word@{rest.rpartition('@')[2]}"
        async with publishing(settings.model_copy(update={"events_amqp_url": own}), database):
            await log.write(*numbers(1, 20))
            found = await log.until_stuck("ACCESS_REFUSED")
            assert "secret-word" not in (found.error or "")
            assert found.behind == 20
            # Write alone is enough where the exchange is there.
            await put(rights, {"configure": "^$", "write": f"^{settings.events_exchange}$", "read": "^$"})
            await log.write("21")
            await reader.until_names(numbers(1, 21))
        await management.delete(f"/api/users/{user}")


async def test_broker_that_is_away_is_waited_for_and_the_backlog_drains_in_order(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen()
    async with before_the_broker(settings) as (proxy, through):
        proxy.closed = True
        async with publishing(through, database):
            await log.write(*numbers(1, 20))
            stuck = await log.until_stuck("RabbitMQ for events")
            assert stuck.behind == 20
            assert stuck.age > 0
            assert stuck.error_since is not None
            proxy.closed = False
            await reader.until_names(numbers(1, 20))
            await log.until_delivered()
            found = await log.backlog()
            assert (found.error, found.error_since, found.tries, found.age) == (None, None, 0, 0)


async def test_broker_that_falls_silent_is_left_and_nothing_is_lost(
    settings: Settings, database: Database, log: Log, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmed_publisher, "_CONFIRM_TIMEOUT", 0.5)
    monkeypatch.setattr(confirmed_publisher, "_CLOSE_TIMEOUT", 0.2)
    await reader.listen()
    async with before_the_broker(settings) as (proxy, through), publishing(through, database):
        await log.write("1")
        await log.until_delivered()
        proxy.deaf = True
        await log.write("2", "3")
        await log.until_stuck("no confirm within")
        proxy.deaf = False
        await log.write("4")
        await log.until_delivered()
    assert once(reader.names()) == numbers(1, 4)
    ids = {(message.message_id, name) for message, name in zip(reader.messages, reader.names(), strict=True)}
    assert len(ids) == 4  # what came twice has the same id


async def test_full_queue_of_a_reader_makes_the_outlet_wait_and_parks_nothing(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    async with channel_of(settings) as channel:
        exchange = await channel.declare_exchange(settings.events_exchange, "topic", durable=True)
        full = await channel.declare_queue(None, exclusive=True, arguments={"x-max-length": 0, "x-overflow": REJECT})
        await full.bind(exchange, "#")
        async with publishing(settings, database):
            await log.write(*numbers(1, 3))
            await log.write("4", type=EventType.YARD_CHANGED)
            found = await log.until_stuck("does not answer: recipe.changed")  # others were refused too
            assert (found.behind, found.parked) == (4, 0)
            await reader.listen()
            await full.delete()
            await log.until_delivered()
            assert (await log.backlog()).parked == 0
    assert once(reader.names()) == numbers(1, 4)


REJECT = "reject-publish"


async def test_event_that_is_refused_alone_is_parked_and_all_others_pass(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    async with channel_of(settings) as channel:
        exchange = await channel.declare_exchange(settings.events_exchange, "topic", durable=True)
        full = await channel.declare_queue(None, exclusive=True, arguments={"x-max-length": 0, "x-overflow": REJECT})
        await full.bind(exchange, "yard.changed")
        await reader.listen("recipe.#")
        async with publishing(settings, database):
            await log.write("1", "2")
            await log.write("poison", "poison too", type=EventType.YARD_CHANGED)
            await log.write("3", "4")
            await log.until_delivered()
            assert (await log.backlog()).parked == 2
            assert once(reader.names()) == numbers(1, 4)

            async def replay() -> list[Any]:
                """Ask for the first one; what the list shows once it was tried."""
                async with database.transaction() as connection:
                    rows = await parked_events.page(connection, outlet=None, before=None, limit=9)
                    await parked_events.request_replay(connection, rows[-1]["id"], MUSTER)
                await notify(database, POSITIONED)

                async def tried() -> list[Any] | None:
                    async with database.transaction() as connection:
                        rows = await parked_events.page(connection, outlet=None, before=None, limit=9)
                    return None if rows[-1]["replay_requested_at"] else rows

                rows = await until(tried, 10)
                assert isinstance(rows, list)
                return rows

            first = (await replay())[-1]
            assert (first["replayed_at"], first["tries"]) == (None, 7)
            assert "nack" in first["error"]
            await full.delete()
            await reader.listen("yard.changed")
            second, first = await replay()
            assert first["replayed_at"] is not None
            assert second["replayed_at"] is None
            assert reader.names()[-1] == "poison"
            assert reader.messages[-1].message_id == str(first["event_id"])
            assert (await log.backlog()).parked == 1


async def test_event_that_no_routing_key_can_name_is_parked(
    settings: Settings, database: Database, log: Log, reader: Reader
) -> None:
    await reader.listen()
    await log.write("1", "poison", "2")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE events SET type = repeat('x', 300) WHERE payload->>'name' = 'poison'"))
    async with publishing(settings, database):
        await log.until_delivered()
        assert (await log.backlog()).parked == 1
    assert once(reader.names()) == ["1", "2"]
