"""Who holds an instrument, as other missions meet it: they wait and say why, or are refused."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from missions.contracts import ActivityPreset
from missions.errors import Conflict
from missions.events import EventSource
from missions.principals import MUSTER, Principal, PrincipalKind
from missions.requests import NewMission
from settings import Settings
from store import exclusive_access, mission_queues, mission_requests, work_processes
from store.connection import Connection
from store.database import Database
from store.mission_queue_turns import Turn
from store.reservations import enqueue, lock_agents
from store.tables import agents, reservations
from store.tables import work_processes as missions
from store.waiting_reasons import waiting_reasons
from store.work_process_status import lock
from tests.support.instruments import HeldInstrument
from tests.support.locks import until_somebody_waits_for_a_lock
from tests.support.rows import add_recipe

LATER = datetime(2099, 1, 1, tzinfo=UTC)
CLIENT = Principal(kind=PrincipalKind.CLIENT, id="ann")
BY_US: dict[str, Any] = {"principal": MUSTER, "source": EventSource.API}


@pytest.fixture
async def held(database: Database) -> HeldInstrument:
    return await HeldInstrument(database).make()


@pytest.fixture
async def recipe(database: Database) -> str:
    name = secrets.token_hex(6)
    async with database.transaction() as connection:
        await add_recipe(connection, name)
    return name


def preset(step: Any, timeout: float) -> ActivityPreset:
    return ActivityPreset()


async def refusal(held: HeldInstrument, check: Any = exclusive_access.refuse_if_held, **fields: Any) -> str:
    """Why a mission that names the instrument is refused; empty: it is not."""
    try:
        async with held.database.transaction() as connection:
            await check(connection, [held.platform, held.instrument], **fields)
    except Conflict as error:
        refused = error
    else:
        return ""
    assert (refused.field, refused.value) == (fields.get("field", "agentIds"), held.instrument)
    assert f"work process {held.run}" in refused.remedy
    return refused.detail


async def test_holder_is_named_to_all_but_itself(held: HeldInstrument) -> None:
    assert await refusal(held) == f"instrument {held.name} (agent {held.instrument}) is held by {held.holder}"
    assert await refusal(held, field="missionId") != ""
    assert await refusal(held, but=held.run) == ""
    await held.let_go()
    assert await refusal(held) == ""


async def test_mission_of_any_kind_holds_it_exclusively(database: Database) -> None:
    held = await HeldInstrument(database).make(held=False)
    held.run = await held.mission("executing")
    await held.hold()
    assert (await refusal(held)).endswith(f"is held by work process {held.run} of type 'drive'")


async def test_only_instruments_are_held_exclusively(held: HeldInstrument) -> None:
    async with held.database.transaction() as connection:
        await connection.execute(update(agents).where(agents.c.id == held.instrument).values(agent_class="tool"))
    assert await refusal(held) == ""


async def test_who_does_not_want_to_wait_is_refused_for_those_before_it_in_line_too(database: Database) -> None:
    held = await HeldInstrument(database).make(held=False)
    assert await refusal(held) == ""
    busy = exclusive_access.refuse_if_busy
    assert await refusal(held, busy) == f"instrument {held.name} (agent {held.instrument}) is wanted by {held.holder}"
    assert await refusal(held, busy, but=held.run) == ""
    await held.hold()
    assert "is held by" in await refusal(held, busy)


@pytest.mark.parametrize("says", [{"status": "canceled"}, {"sched_start_at": LATER}, {"next_attempt_at": LATER}])
async def test_nobody_waits_for_a_mission_that_does_not_want_it_now(database: Database, says: dict[str, Any]) -> None:
    held = await HeldInstrument(database).make(held=False)
    async with database.transaction() as connection:
        await connection.execute(update(missions).where(missions.c.id == held.run).values(**says))
    assert await refusal(held, exclusive_access.refuse_if_busy) == ""


async def test_waiting_mission_names_the_mission_file(held: HeldInstrument) -> None:
    waiting = await held.mission("dispatched")
    async with held.database.transaction() as connection:
        await enqueue(connection, await lock(connection, waiting))
        reasons = (await waiting_reasons(connection, [waiting]))[waiting]
    texts = [(reason["code"], reason["text"]) for reason in reasons]
    assert texts == [
        ("agent_reserved", f"instrument {held.name} is held by mission file ctd-1 (work process {held.run})")
    ]


async def dispatch(connection: Connection, draft: int, principal: Principal, **settings: Any) -> None:
    await work_processes.dispatch(
        connection,
        draft,
        principal=principal,
        source=EventSource.API,
        settings=Settings(**settings),
        resolve_preset=preset,
    )


async def dispatched(held: HeldInstrument, recipe: str, principal: Principal, **settings: Any) -> str:
    """The status of a draft that names the instrument and waits for it, once it was to be dispatched."""
    draft = await held.mission("draft", work_process_type_name=recipe, workflow_id=None)
    async with held.database.transaction() as connection:
        await dispatch(connection, draft, principal, **settings)
    async with held.database.transaction() as connection:
        return str(await connection.scalar(select(missions.c.status).where(missions.c.id == draft)))


async def test_second_mission_waits_or_is_refused_by_the_setting(held: HeldInstrument, recipe: str) -> None:
    assert await dispatched(held, recipe, CLIENT) == "dispatched"
    with pytest.raises(Conflict, match="is held by mission file ctd-1"):
        await dispatched(held, recipe, CLIENT, instruments_busy="refuse")
    assert await dispatched(held, recipe, MUSTER, instruments_busy="refuse") == "dispatched", "nobody is there to tell"


async def test_of_two_that_are_dispatched_at_once_the_second_is_refused(database: Database, recipe: str) -> None:
    held = await HeldInstrument(database).make(held=False)
    async with database.transaction() as connection:
        await connection.execute(update(missions).where(missions.c.id == held.run).values(status="canceled"))
    draft = await held.mission("draft", work_process_type_name=recipe, workflow_id=None)
    async with database.transaction() as connection:
        await dispatch(connection, draft, CLIENT, instruments_busy="refuse")
        second = asyncio.create_task(dispatched(held, recipe, CLIENT, instruments_busy="refuse"))
        await until_somebody_waits_for_a_lock(database)
    with pytest.raises(Conflict, match=f"is wanted by work process {draft}"):
        await second


async def test_mission_of_a_queue_that_does_not_wait_fails_naming_the_holder(held: HeldInstrument, recipe: str) -> None:
    async with held.database.transaction() as connection:
        queue = (await mission_queues.create(connection, {"name": recipe}, **BY_US)).id
        row = await mission_queues.locked(connection, queue)
        await mission_queues.run(connection, row, settings=Settings(), **BY_US)
    mission = await held.mission(
        "draft",
        work_process_type_name=recipe,
        wait_free_agent=False,
        mission_queue_id=queue,
        run_order=1,
        workflow_id=None,
    )
    advanced = None
    while advanced is None:
        async with held.database.transaction() as connection:
            advanced = await Turn(connection, Settings(), preset).take(queue)
    async with held.database.transaction() as connection:
        failure = await connection.scalar(select(missions.c.failure).where(missions.c.id == mission))
    assert failure is not None
    assert failure["code"] == "dispatch_refused"
    assert held.holder in failure["text"]


async def test_mission_that_an_agent_requests_past_the_line_is_refused(held: HeldInstrument, recipe: str) -> None:
    uuid = secrets.token_hex(6)
    await held.agent("assistant", uuid=uuid)
    asked = NewMission(work_process_type_name=recipe, agent_ids=[held.instrument], wait_free_agent=False)

    async def ask() -> None:
        async with held.database.transaction() as connection:
            await mission_requests.create(
                connection,
                uuid,
                asked,
                key=secrets.token_hex(4),
                body_hash="",
                settings=Settings(),
                resolve_preset=preset,
            )

    with pytest.raises(Conflict, match="is held by mission file ctd-1"):
        await ask()
    await held.let_go()
    await ask()


async def test_one_that_is_reserved_at_this_moment_is_refused(database: Database) -> None:
    held = await HeldInstrument(database).make(held=False)
    async with database.transaction() as connection:
        await lock_agents(connection, [held.instrument])
        asked = asyncio.create_task(refusal(held))
        await until_somebody_waits_for_a_lock(database)
        await connection.execute(
            insert(reservations).values(agent_id=held.instrument, work_process_id=held.run, attempt=1)
        )
    assert "is held by" in await asked
