"""The list of workers: who lives by the heartbeats, and what is said when Temporal does not answer."""

from datetime import timedelta

import httpx
from sqlalchemy import text

from store import role_heartbeats
from store.database import Database


async def beat(
    database: Database, process: str, *roles: str, ago: timedelta = timedelta(0), waits: dict[str, str] | None = None
) -> None:
    async with database.transaction() as connection:
        await role_heartbeats.beat(connection, process, roles=roles, host="h", pid=7, version="0", waits=waits or {})
        await connection.execute(
            text("UPDATE role_heartbeats SET seen_at = seen_at - CAST(:ago AS interval) WHERE process = :process"),
            {"ago": ago, "process": process},
        )


async def test_lists_the_processes_and_names_roles_that_nobody_has(api: httpx.AsyncClient, database: Database) -> None:
    await beat(database, "one", "missions", "relay")
    await beat(database, "two", "intake", ago=timedelta(seconds=20))
    await beat(database, "three", "missions", ago=timedelta(seconds=20))  # lost, and another one has its role
    answer = (await api.get("/workers")).json()
    assert [(one["identity"], one["roles"], one["lost"]) for one in answer["items"]] == [
        ("one", ["missions", "relay"], False),
        ("two", ["intake"], True),
        ("three", ["missions"], True),
    ]
    roles = [trouble for trouble in answer["trouble"] if "no worker has the role" in trouble]
    assert roles == ["no worker has the role intake: nobody hears the agents"]


async def test_heartbeat_goes_on_and_a_stopped_process_is_gone(api: httpx.AsyncClient, database: Database) -> None:
    await beat(database, "one", "missions", ago=timedelta(seconds=20))
    await beat(database, "one", "missions")
    assert [one["lost"] for one in (await api.get("/workers")).json()["items"]] == [False]
    async with database.transaction() as connection:
        await role_heartbeats.stopped(connection, "one")
    assert (await api.get("/workers")).json()["items"] == []


async def test_process_that_was_lost_long_ago_is_forgotten(api: httpx.AsyncClient, database: Database) -> None:
    await beat(database, "old", "missions", ago=timedelta(minutes=11))
    await beat(database, "new", "missions")
    assert [one["identity"] for one in (await api.get("/workers")).json()["items"]] == ["new"]


async def test_role_that_has_not_begun_is_trouble_until_it_has(api: httpx.AsyncClient, database: Database) -> None:
    why = {"intake": "the intake waits: RabbitMQ does not answer: ACCESS_REFUSED"}

    async def shown() -> tuple[object, list[str]]:
        answer = (await api.get("/workers")).json()
        return answer["items"][0]["waits"], [each for each in answer["trouble"] if each.startswith("one, ")]

    await beat(database, "one", "intake", waits=why)
    assert await shown() == (why, [f"one, role intake: {why['intake']}"])
    await beat(database, "one", "intake", ago=timedelta(seconds=20), waits=why)  # it is lost: that is said otherwise
    assert await shown() == (why, [])
    await beat(database, "one", "intake")
    assert await shown() == ({}, [])
