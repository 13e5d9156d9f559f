"""Who locks agents in id order does not meet who plans assignments for them in an order of its own."""

import secrets
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import insert, text

from missions.events import utc_now
from store import selectors
from store.connection import Connection
from store.database import Database
from store.reservations import Request, hand_over, lock_agents
from store.tables import agents, reservation_request_agents, reservation_requests, work_processes, yards

pytestmark = pytest.mark.stack


class World:
    """An agent, named by a mission that was granted it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def make(self) -> None:
        uid = secrets.token_hex(6)
        async with self.database.transaction() as connection:
            self.yard = await connection.scalar(insert(yards).values(uid=uid).returning(yards.c.id))
            new = insert(agents).values(uuid=uid, yard_id=self.yard, status="free", agent_class="vehicle")
            self.agent = await connection.scalar(new.returning(agents.c.id))
            mission = await connection.scalar(
                insert(work_processes)
                .values(
                    work_process_type_name="drive", status="executing", yard_id=self.yard, yard_uid=uid, created_by={}
                )
                .returning(work_processes.c.id)
            )
            self.request = await connection.scalar(
                insert(reservation_requests)
                .values(
                    work_process_id=mission,
                    attempt=1,
                    status="granted",
                    priority=1,
                    enqueued_at=utc_now(),
                    score_key=utc_now(),
                )
                .returning(reservation_requests.c.id)
            )
            await connection.execute(
                insert(reservation_request_agents).values(
                    request_id=self.request, agent_id=self.agent, score_key=utc_now(), claims=False
                )
            )


async def _of_a_grant(connection: Connection, world: World) -> None:
    await lock_agents(connection, [world.agent])


async def _of_a_choice(connection: Connection, world: World) -> None:
    wants = {"yard": world.yard, "class": "vehicle", "type": None}
    assert await selectors.lock_candidates(connection, wants, []) == [world.agent]


async def _of_a_hand_over(connection: Connection, world: World) -> None:
    await hand_over(connection, Request(world.request, "granted", 1, utc_now()))


@pytest.mark.parametrize("locks", [_of_a_grant, _of_a_choice, _of_a_hand_over])
async def test_agents_are_locked_beside_a_transaction_that_refers_to_them(
    database: Database, locks: Callable[[Connection, World], Awaitable[None]]
) -> None:
    world = World(database)
    await world.make()
    async with database.transaction() as planning, database.transaction() as granting:
        await planning.execute(text("SELECT id FROM agents WHERE id = :id FOR KEY SHARE"), {"id": world.agent})
        await granting.execute(text("SET LOCAL lock_timeout = '300ms'"))
        await locks(granting, world)
