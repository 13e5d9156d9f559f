"""A step's row: its job saved twice, canceled, told to stop again; the steps after it skipped."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import insert, select, update
from temporalio.testing import ActivityEnvironment

from activities.parts import Parts
from activities.registry import activity_types
from activities.run_step import as_activity
from missions.contracts import Outcome, RunStep, StepRan
from missions.events import utc_now
from missions.statuses import ServiceRequestStatus
from store import step_requests
from store.connection import Connection
from store.database import Database
from store.tables import events, service_requests, work_processes, yards
from store.work_process_status import lock
from tests.support.locks import until_somebody_waits_for_a_lock


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    with suppress(_Undone):
        async with database.transaction() as connection:
            yield connection
            raise _Undone


class _Undone(Exception):
    """Leaves a transaction without a trace."""


async def asked(connection: Connection) -> Any:
    """The row of a step whose service is being asked."""
    yard = await connection.scalar(
        insert(yards).values(uid=f"yard-{secrets.token_hex(3)}", name="y").returning(yards.c.id)
    )
    mission = await connection.scalar(
        insert(work_processes)
        .values(work_process_type_name="drive", status="calculating", yard_id=yard, yard_uid="y", created_by={})
        .returning(work_processes.c.id)
    )
    request = await connection.scalar(
        insert(service_requests)
        .values(
            work_process_id=mission,
            attempt=1,
            step="plan",
            uses="microservice",
            preset={},
            service_url="http://planner/",
            licence_key="key",
            is_dummy=False,
            status=ServiceRequestStatus.DISPATCHING_SERVICE,
            dispatched_at=utc_now(),
        )
        .returning(service_requests.c.id)
    )
    assert request is not None
    return await step_requests.read(connection, request)


async def add_steps(connection: Connection, row: Any, **depends_on: list[str]) -> None:
    """More steps of the same mission, which wait."""
    for step, before in depends_on.items():
        await connection.execute(
            insert(service_requests).values(
                work_process_id=row["work_process_id"],
                attempt=1,
                step=step,
                uses="microservice",
                preset={},
                depends_on_steps=before,
                status=ServiceRequestStatus.WAIT_DEPENDENCIES,
            )
        )


async def test_job_saved_twice_is_one_job_and_no_cancel(connection: Connection) -> None:
    row = await asked(connection)
    assert await step_requests.pending(connection, row, "7") == "7"
    assert await step_requests.pending(connection, row, "7") == "7"


async def test_first_job_saved_stays_the_steps_job(connection: Connection) -> None:
    row = await asked(connection)
    await step_requests.pending(connection, row, "7")
    assert await step_requests.pending(connection, row, "8") == "7"


async def test_job_of_a_canceled_step_is_not_saved(connection: Connection) -> None:
    row = await asked(connection)
    await step_requests.cancel_open(connection, await lock(connection, row["work_process_id"]))
    assert await step_requests.pending(connection, row, "7") is None


async def test_stop_tried_again_finds_the_jobs_that_it_canceled_before(connection: Connection) -> None:
    row = await asked(connection)
    await step_requests.pending(connection, row, "7")
    for _ in range(2):
        (job,) = await step_requests.cancel_open(connection, await lock(connection, row["work_process_id"]))
        assert (job["service_url"], job["licence_key"], job["request_uid"]) == ("http://planner/", "key", "7")


async def test_step_that_has_its_answer_has_no_job_to_stop(connection: Connection) -> None:
    row = await asked(connection)
    await step_requests.pending(connection, row, "7")
    await step_requests.end(
        connection, row, ServiceRequestStatus.READY, before=ServiceRequestStatus.PENDING, response={"results": []}
    )
    assert list(await step_requests.cancel_open(connection, await lock(connection, row["work_process_id"]))) == []


async def test_answer_that_comes_while_a_cancel_is_being_written_is_not_stored(database: Database) -> None:
    async with database.transaction() as connection:
        row = await asked(connection)
    mission = work_processes.c.id == row["work_process_id"]

    async def answered() -> bool:
        async with database.statement() as connection:
            status, before = ServiceRequestStatus.READY, ServiceRequestStatus.DISPATCHING_SERVICE
            return await step_requests.end(connection, row, status, before=before, response={"results": []})

    async with database.transaction() as connection:
        await connection.execute(update(work_processes).where(mission).values(status="canceling"))
        answer = asyncio.create_task(answered())
        await until_somebody_waits_for_a_lock(database)
    assert not await answer
    async with database.transaction() as connection:
        assert (await step_requests.read(connection, row["id"]))["status"] == ServiceRequestStatus.DISPATCHING_SERVICE
        assert await connection.scalar(select(work_processes.c.event_count).where(mission)) == 0


async def test_step_that_died_after_its_end_still_tells_the_mission_what_it_skipped(database: Database) -> None:
    async with database.transaction() as connection:
        row = await asked(connection)
        await add_steps(connection, row, branch=["plan"])
        await step_requests.end(
            connection, row, ServiceRequestStatus.READY, before=ServiceRequestStatus.PENDING, response={"results": []}
        )
        await step_requests.skip(connection, row, ["branch"])
    again = RunStep(
        work_process_id=row["work_process_id"], attempt=1, transition=3, service_request_id=row["id"], step="plan"
    )
    run_step = as_activity(activity_types()["microservice"], cast(Parts, SimpleNamespace(database=database)))
    assert await ActivityEnvironment().run(run_step, again) == StepRan(outcome=Outcome.DONE, skipped=["branch"])


@pytest.mark.parametrize("canceled", [False, True])
async def test_a_try_whose_step_another_try_ended_first_says_how_it_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch, canceled: bool
) -> None:
    """The engine took it for dead and began another; that it came second is no cancel of the mission."""
    async with database.transaction() as connection:
        row = await asked(connection)
        dummy = {"is_dummy": True, "input": {"service_type": "planner"}}
        await connection.execute(update(service_requests).where(service_requests.c.id == row["id"]).values(dummy))
    call = RunStep(
        work_process_id=row["work_process_id"], attempt=1, transition=3, service_request_id=row["id"], step="plan"
    )
    run_step = as_activity(
        activity_types()["microservice"], cast(Parts, SimpleNamespace(database=database, http=None, settings=None))
    )
    end, others = step_requests.end, []

    async def after_the_other(*of: Any, **what: Any) -> bool:
        monkeypatch.setattr(step_requests, "end", end)
        others.append(await ActivityEnvironment().run(run_step, call))
        if canceled:
            async with database.transaction() as connection:
                mission = work_processes.c.id == row["work_process_id"]
                await connection.execute(update(work_processes).where(mission).values(status="canceling"))
        return await end(*of, **what)

    monkeypatch.setattr(step_requests, "end", after_the_other)
    outcome = Outcome.SUPERSEDED if canceled else Outcome.DONE
    assert await ActivityEnvironment().run(run_step, call) == StepRan(outcome=outcome)
    assert others == [StepRan(outcome=Outcome.DONE)]


async def test_steps_are_skipped_once_with_all_that_wait_for_them(connection: Connection) -> None:
    row = await asked(connection)
    await add_steps(connection, row, left=["plan"], right=["plan"], last=["left", "right"])
    assert await step_requests.skipped(connection, row) == []
    assert await step_requests.skip(connection, row, ["left"]) == ["left", "last"]
    assert await step_requests.skip(connection, row, ["right"]) == ["right", "last"]
    assert await step_requests.skipped(connection, row) == ["left", "right", "last"]
    written = await connection.scalars(
        select(events.c.payload["step"].astext)
        .where(events.c.work_process_id == row["work_process_id"])
        .order_by(events.c.mission_sequence)
    )
    assert list(written) == ["left", "last", "right"]
