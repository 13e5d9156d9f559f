"""What a batch of state reports does to agents, assignments, reservations and wake-ups."""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from missions.events import utc_now
from missions.statuses import AgentStatus
from store.agent_reports import Applied, AssignmentReport, Rejection, StateReport, apply
from store.agents import AgentAddress, identities
from store.assignment_cancels import cancels_sent
from store.database import Database
from store.ready_agents import Stranded
from store.reservations import lock_agents
from store.tables import (
    agents,
    assignments,
    events,
    message_counts,
    reservation_requests,
    reservations,
    wakeups,
    work_processes,
    yards,
)
from store.waiting_line import refresh_lines
from store.work_process_status import lock
from tests.support.rows import Rows


class World(Rows):
    """A yard with what a test puts into it."""

    def __init__(self, database: Database, yard_id: int) -> None:
        super().__init__(database)
        self.yard_id = yard_id

    async def agent(self, **values: Any) -> tuple[int, str]:
        uuid = f"agent-{secrets.token_hex(4)}"
        return await self.made(agents, uuid=uuid, yard_id=self.yard_id, **values), uuid

    async def mission(self, *agent_ids: int, attempt: int = 1) -> int:
        mission = await self.made(
            work_processes,
            work_process_type_name="drive",
            status="executing",
            yard_id=self.yard_id,
            yard_uid="y",
            agent_ids=list(agent_ids),
            attempt=attempt,
            created_by={},
            workflow_id=f"wf-{secrets.token_hex(4)}",
        )
        return mission

    async def reserved(self, mission: int, agent_ids: list[int], *, round_: int = 1) -> None:
        now = utc_now()
        await self.made(
            reservation_requests,
            work_process_id=mission,
            attempt=1,
            status="granted",
            priority=20,
            enqueued_at=now,
            score_key=now,
            round=round_,
            handed_over=True,
        )
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(reservations),
                [{"agent_id": agent_id, "work_process_id": mission, "attempt": 1} for agent_id in agent_ids],
            )

    async def assignment(self, mission: int, agent_id: int, status: str = "executing", **values: Any) -> int:
        sent = {"intent_at": utc_now(), "dispatched_at": utc_now()} | values
        return await self.made(
            assignments,
            work_process_id=mission,
            attempt=1,
            step="drive",
            result_index=secrets.randbelow(2**30),
            dispatch_group=0,
            agent_id=agent_id,
            workflow_id=f"wf-of-{mission}",
            status=status,
            **sent,
        )

    async def row(self, table: Any, id_: int) -> Any:
        key = table.c.agent_id if table is reservations else table.c.id
        async with self.database.transaction() as connection:
            return (await connection.execute(select(table).where(key == id_))).one()

    async def events(self, mission: int | None = None, uuid: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        where = events.c.work_process_id == mission if uuid is None else events.c.source == f"agent:{uuid}"
        async with self.database.transaction() as connection:
            rows = await connection.execute(select(events.c.type, events.c.payload).where(where).order_by(events.c.id))
            return [(row.type, row.payload) for row in rows]

    async def apply(self, *reports: StateReport) -> Applied:
        async with self.database.statement() as connection:
            known = await identities(connection, {report.uuid for report in reports})
        return await apply(self.database, reports, {uuid: identity.id for uuid, identity in known.items()})


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database, 0)
    world.yard_id = await world.made(yards, uid=secrets.token_hex(4))
    return world


def state(uuid: str, status: str = "free", assignment: AssignmentReport | None = None, **values: Any) -> StateReport:
    at = values.pop("at", utc_now())
    return StateReport(uuid, status, at, values.pop("said_at", at), assignment=assignment, **values)


def said(id_: int, status: str, result: Any = None) -> AssignmentReport:
    return AssignmentReport(id_, status, result)


def signals(applied: Applied) -> list[tuple[str | None, dict[str, Any]]]:
    return [(wakeup.signal, wakeup.payload) for wakeup in applied.wakeups]


async def test_the_last_state_of_a_batch_counts_and_every_change_is_an_event(world: World) -> None:
    agent_id, uuid = await world.agent()
    applied = await world.apply(
        state(uuid, "free", resources={"a": 1}), state(uuid, "busy"), state(uuid, "busy"), state(uuid, "ready")
    )
    row = await world.row(agents, agent_id)
    assert (row.status, row.resources) == ("ready", {"a": 1})
    assert row.last_message_time == row.state_at == row.status_since
    changes = [payload for kind, payload in await world.events(uuid=uuid) if kind == "agent.status_changed"]
    assert [(p["from"], p["to"]) for p in changes] == [(None, "free"), ("free", "busy"), ("busy", "ready")]
    assert applied.changed_agent_ids == {agent_id}


async def test_repeats_move_only_the_time(world: World) -> None:
    agent_id, uuid = await world.agent()
    await world.apply(state(uuid))
    before = await world.row(agents, agent_id)
    applied = await world.apply(state(uuid), state(uuid))
    after = await world.row(agents, agent_id)
    assert after.status_since == before.status_since
    assert after.last_message_time > before.last_message_time
    assert len(await world.events(uuid=uuid)) == 1
    assert applied == Applied()


async def test_a_redelivered_repeat_still_asks_for_a_grant(world: World) -> None:
    agent_id, uuid = await world.agent(status="free")
    assert (await world.apply(state(uuid, redelivered=True))).changed_agent_ids == {agent_id}


async def test_an_agent_that_speaks_is_listening_again(world: World) -> None:
    agent_id, uuid = await world.agent(status="busy", not_listening_since=utc_now())
    applied = await world.apply(state(uuid, "busy"))
    assert (await world.row(agents, agent_id)).not_listening_since is None
    assert applied.changed_agent_ids == {agent_id}


async def test_quarantine_ends_with_free_and_not_before(world: World) -> None:
    agent_id, uuid = await world.agent(status="busy", quarantined_since=utc_now(), quarantine_reason="unconfirmed")
    await world.apply(state(uuid, "ready"))
    assert (await world.row(agents, agent_id)).quarantined_since is not None
    applied = await world.apply(state(uuid, "free"))
    row = await world.row(agents, agent_id)
    assert (row.quarantined_since, row.quarantine_reason) == (None, None)
    assert applied.changed_agent_ids == {agent_id}
    assert "agent.quarantine_cleared" in [kind for kind, _ in await world.events(uuid=uuid)]


async def test_unknown_agents_and_statuses_are_refused_and_the_others_taken(world: World) -> None:
    agent_id, uuid = await world.agent()
    applied = await world.apply(state("nobody"), state(uuid, "dancing"), state(uuid, "busy"))
    assert [(r.index, r.reason) for r in applied.rejected] == [
        (0, Rejection.UNKNOWN_AGENT),
        (1, Rejection.UNKNOWN_STATUS),
    ]
    assert (await world.row(agents, agent_id)).status == AgentStatus.BUSY


async def test_an_assignment_runs_and_succeeds(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "executing")
    started = await world.apply(state(uuid, "busy", said(id_, "executing", {})))
    assert signals(started) == []
    done = await world.apply(state(uuid, "ready", said(id_, "succeeded", {"metres": 5})))
    assert signals(done) == [("assignment_ended", {"assignment_id": id_, "status": "succeeded"})]
    assert done.wakeups[0].workflow_id == f"wf-of-{mission}"
    row = await world.row(assignments, id_)
    assert (row.status, row.result) == ("succeeded", {"metres": 5})
    assert row.first_report_at < row.ended_at
    assert (await world.row(agents, agent_id)).reported_assignment_id == id_
    kind, payload = (await world.events(mission))[0]
    assert kind == "assignment.status_changed"
    assert (payload["from"], payload["to"], payload["agent_uuid"]) == ("executing", "succeeded", uuid)


@pytest.mark.parametrize(
    ("result", "stored"),
    [
        ({"a": "\x00\x00b"}, {"a": "\ufffd\ufffdb"}),
        ({"\x00": ["\ud800"]}, {"\ufffd": ["?"]}),
        ({"a": "\\u0000 \\\x00"}, {"a": "\\u0000 \\\ufffd"}),
        ({"a": float("inf")}, None),
        ("grün", "grün"),
    ],
)
async def test_a_result_that_no_database_takes_costs_no_status(world: World, result: Any, stored: Any) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id)
    applied = await world.apply(state(uuid, "ready", said(id_, "succeeded", result)))
    assert [name for name, _ in signals(applied)] == ["assignment_ended"]
    row = await world.row(assignments, id_)
    assert (row.status, row.result) == ("succeeded", stored)


async def test_wakeups_are_rows_of_the_same_transaction(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id)
    applied = await world.apply(state(uuid, "ready", said(id_, "failed")))
    async with world.database.transaction() as connection:
        rows = (await connection.execute(select(wakeups).where(wakeups.c.work_process_id == mission))).all()
    assert [row.id for row in rows] == [applied.wakeups[0].id]


async def test_a_whole_drive_in_one_batch_keeps_its_order(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "to_dispatch")
    applied = await world.apply(
        state(uuid, "busy", said(id_, "executing")),
        state(uuid, "busy", said(id_, "active")),
        state(uuid, "ready", said(id_, "succeeded")),
        state(uuid, "ready", said(id_, "succeeded")),
    )
    assert [name for name, _ in signals(applied)] == ["assignment_ended"]
    assert [(p["from"], p["to"]) for _, p in await world.events(mission)] == [
        ("to_dispatch", "executing"),
        ("executing", "active"),
        ("active", "succeeded"),
    ]
    assert applied.late == 0


async def test_the_first_report_of_an_unconfirmed_dispatch_wakes(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    long_ago = utc_now() - timedelta(seconds=5)
    id_ = await world.assignment(mission, agent_id, "to_dispatch", dispatched_at=None, intent_at=long_ago)
    first = await world.apply(state(uuid, "busy", said(id_, "executing")))
    assert signals(first) == [("assignment_started", {"assignment_id": id_})]
    assert signals(await world.apply(state(uuid, "busy", said(id_, "executing")))) == []


async def test_a_first_report_of_a_quick_agent_wakes_nobody(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "to_dispatch", dispatched_at=None)
    assert signals(await world.apply(state(uuid, "busy", said(id_, "executing")))) == []


async def test_a_first_report_that_is_the_last_wakes_once(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "to_dispatch", dispatched_at=None)
    applied = await world.apply(state(uuid, "ready", said(id_, "succeeded")))
    assert [name for name, _ in signals(applied)] == ["assignment_ended"]


@pytest.mark.parametrize("ended", ["succeeded", "failed", "canceled", "completed"])
async def test_a_report_after_the_end_is_late_and_changes_nothing(world: World, ended: str) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, ended, first_report_at=utc_now())
    for _ in range(3):
        applied = await world.apply(state(uuid, "busy", said(id_, "executing")))
        assert (applied.late, signals(applied)) == (1, [])
    row = await world.row(assignments, id_)
    assert (row.status, row.late_reports) == (ended, 3)
    late = [payload for kind, payload in await world.events(mission) if kind == "assignment.late_report"]
    assert [(p["status"], p["reported"]) for p in late] == [(ended, "executing")]
    async with world.database.transaction() as connection:
        counted = await connection.scalar(select(message_counts.c.count).where(message_counts.c.outcome == "late"))
    assert counted is not None
    assert counted >= 3


async def test_a_repeated_end_is_not_late(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "completed", first_report_at=utc_now())
    applied = await world.apply(state(uuid, "ready", said(id_, "succeeded")))
    assert applied.late == 0
    assert (await world.row(assignments, id_)).status == "completed"


async def test_bad_parts_on_assignments_are_refused_and_the_agent_still_counts(world: World) -> None:
    agent_id, uuid = await world.agent(status="busy")
    other_id, _ = await world.agent()
    mission = await world.mission(agent_id, other_id)
    foreign = await world.assignment(mission, other_id)
    unsent = await world.assignment(mission, agent_id, "to_dispatch", intent_at=None, dispatched_at=None)
    applied = await world.apply(
        state(uuid, "busy", said(foreign, "succeeded")),
        state(uuid, "busy", said(2**40, "succeeded")),
        state(uuid, "busy", said(unsent, "sparkling")),
        state(uuid, "free", said(unsent, "succeeded")),
    )
    assert sorted((r.index, r.reason) for r in applied.rejected) == [
        (0, Rejection.NOT_ITS_ASSIGNMENT),
        (1, Rejection.UNKNOWN_ASSIGNMENT),
        (2, Rejection.UNKNOWN_STATUS),
        (3, Rejection.ASSIGNMENT_NOT_SENT),
    ]
    assert (await world.row(agents, agent_id)).status == "free"
    assert (await world.row(assignments, foreign)).status == "executing"
    assert signals(applied) == []


async def test_a_report_of_another_agent_in_the_same_batch_cannot_end_an_assignment(world: World) -> None:
    agent_id, uuid = await world.agent()
    _, thief = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id)
    applied = await world.apply(
        state(thief, "ready", said(id_, "succeeded")), state(uuid, "busy", said(id_, "executing"))
    )
    assert [r.reason for r in applied.rejected] == [Rejection.NOT_ITS_ASSIGNMENT]
    assert (await world.row(assignments, id_)).status == "executing"


@pytest.mark.parametrize("status", ["free", "ready"])
async def test_an_idle_agent_confirms_its_cancel(world: World, status: str) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "canceling", cancel_sent_at=utc_now() - timedelta(seconds=1))
    applied = await world.apply(state(uuid, status))
    assert signals(applied) == [("assignment_ended", {"assignment_id": id_, "status": "canceled"})]
    assert (await world.row(assignments, id_)).ended_at is not None


@pytest.mark.parametrize(
    ("status", "sent"),
    [("busy", -1.0), ("free", None), ("free", 5.0)],
    ids=["still busy", "cancel not sent yet", "said before the cancel"],
)
async def test_what_does_not_confirm_a_cancel(world: World, status: str, sent: float | None) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    at: datetime | None = None if sent is None else utc_now() + timedelta(seconds=sent)
    id_ = await world.assignment(mission, agent_id, "canceling", cancel_sent_at=at)
    assert signals(await world.apply(state(uuid, status))) == []
    assert (await world.row(assignments, id_)).status == "canceling"


async def test_what_was_said_before_the_cancel_does_not_confirm_it_however_late_it_is_read(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    published_at = utc_now()
    id_ = await world.assignment(mission, agent_id, "canceling", cancel_sent_at=published_at)
    of_old = state(uuid, "ready", said_at=published_at - timedelta(seconds=1))
    assert signals(await world.apply(of_old)) == []
    async with world.database.transaction() as connection:
        await lock(connection, mission)
        assert await cancels_sent(connection, mission, [id_], published_at) == [id_]
    row = await world.row(agents, agent_id)
    assert row.state_at < published_at < row.last_message_time


async def test_an_idle_word_without_its_time_confirms_a_cancel_only_after_a_word_of_the_assignment(
    world: World,
) -> None:
    """It may have waited in the queue since before the assignment: what an agent says comes in its order."""
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "canceling", cancel_sent_at=utc_now() - timedelta(seconds=1))
    idle = state(uuid, "ready", timed=False)
    assert signals(await world.apply(idle, state(uuid, "busy", said(id_, "executing")))) == []
    applied = await world.apply(idle)
    assert signals(applied) == [("assignment_ended", {"assignment_id": id_, "status": "canceled"})]


async def test_an_idle_word_of_before_the_assignment_is_no_confirmation_when_its_cancel_is_noted(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "canceling")
    await world.apply(state(uuid, "ready", timed=False))
    async with world.database.transaction() as connection:
        await lock(connection, mission)
        assert await cancels_sent(connection, mission, [id_], utc_now() - timedelta(seconds=1)) == [id_]


@pytest.mark.parametrize("first", ["report", "note"])
async def test_confirmation_that_comes_while_its_cancel_is_noted_is_not_lost(world: World, first: str) -> None:
    agent_id, uuid = await world.agent(status="busy")
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "canceling", first_report_at=utc_now())
    published_at = utc_now()

    async def note() -> None:
        async with world.database.transaction() as connection:
            await lock(connection, mission)
            await cancels_sent(connection, mission, [id_], published_at)

    report = state(uuid, "free")
    if first == "note":
        async with world.database.transaction() as connection:
            await lock(connection, mission)
            await cancels_sent(connection, mission, [id_], published_at)
            reporting = asyncio.create_task(world.apply(report))
            await world.until_waiting_or_done(reporting)
        await reporting
    else:
        async with world.database.transaction() as connection:
            # The report has written the agent's row, and cannot end before this transaction.
            await connection.execute(text("LOCK TABLE events IN EXCLUSIVE MODE"))
            reporting = asyncio.create_task(world.apply(report))
            await world.until_waiting_or_done(reporting)
            noting = asyncio.create_task(note())
            await world.until_waiting_or_done(noting, others=1)
        await asyncio.gather(reporting, noting)
    assert (await world.row(assignments, id_)).status == "canceled"


async def test_executing_while_canceling_is_no_end_and_a_final_report_is(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    id_ = await world.assignment(mission, agent_id, "canceling", cancel_sent_at=utc_now())
    assert signals(await world.apply(state(uuid, "busy", said(id_, "executing")))) == []
    applied = await world.apply(state(uuid, "ready", said(id_, "succeeded")))
    assert signals(applied) == [("assignment_ended", {"assignment_id": id_, "status": "succeeded"})]


async def test_the_last_ready_wakes_the_mission_once(world: World) -> None:
    (one, first), (two, second) = await world.agent(), await world.agent()
    silent, _ = await world.agent(acknowledge_reservation=False)
    mission = await world.mission(one, two, silent)
    await world.reserved(mission, [one, two, silent], round_=2)
    assert signals(await world.apply(state(first, "ready", work_process_id=mission))) == []
    last = await world.apply(state(second, "ready", work_process_id=mission))
    assert signals(last) == [("agents_ready", {"attempt": 1, "round": 2})]
    assert signals(await world.apply(state(second, "ready", work_process_id=mission))) == []
    assert (await world.row(reservations, one)).ready_at is not None


async def test_ready_for_another_mission_does_not_count(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    await world.reserved(mission, [agent_id])
    applied = await world.apply(state(uuid, "ready", work_process_id=mission + 1), state(uuid, "ready"))
    assert signals(applied) == []
    assert (await world.row(reservations, agent_id)).ready_at is None


async def test_agents_of_one_mission_ready_in_one_batch(world: World) -> None:
    (one, first), (two, second) = await world.agent(), await world.agent()
    mission = await world.mission(one, two)
    await world.reserved(mission, [one, two])
    applied = await world.apply(
        state(first, "ready", work_process_id=mission), state(second, "ready", work_process_id=mission)
    )
    assert [name for name, _ in signals(applied)] == ["agents_ready"]


async def ended(world: World, mission: int, ago: float) -> None:
    async with world.database.transaction() as connection:
        at = utc_now() - timedelta(seconds=ago)
        await connection.execute(update(work_processes).where(work_processes.c.id == mission).values(ended_at=at))


async def test_ready_for_a_mission_that_has_ended_is_stranded_until_the_agent_says_free(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    await ended(world, mission, 5)
    applied = await world.apply(state(uuid, "ready", work_process_id=mission))
    assert applied.stranded == [Stranded(AgentAddress(agent_id, uuid, "AMQP"), mission)]
    assert (await world.apply(state(uuid, "ready", work_process_id=mission))).stranded, "it says so once more"
    applied = await world.apply(state(uuid, "ready", work_process_id=mission), state(uuid, "free"))
    assert applied.stranded == []


async def test_ready_for_a_mission_that_waits_for_the_agent_anew_is_stranded(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    await world.reserved(mission, [agent_id])
    async with world.database.transaction() as connection:
        await connection.execute(delete(reservations).where(reservations.c.agent_id == agent_id))
        await connection.execute(
            update(reservation_requests)
            .where(reservation_requests.c.work_process_id == mission)
            .values(status="waiting", handed_over=False)
        )
    applied = await world.apply(state(uuid, "ready", work_process_id=mission))
    assert [each.work_process_id for each in applied.stranded] == [mission]


async def test_ready_that_may_have_crossed_the_release_strands_nobody(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    await ended(world, mission, 1)
    assert (await world.apply(state(uuid, "ready", work_process_id=mission))).stranded == []


async def test_an_agent_that_another_mission_holds_is_not_stranded(world: World) -> None:
    agent_id, uuid = await world.agent()
    before, holder = await world.mission(agent_id), await world.mission(agent_id)
    await ended(world, before, 5)
    await world.reserved(holder, [agent_id])
    assert (await world.apply(state(uuid, "ready", work_process_id=before))).stranded == []


async def test_an_agent_that_is_granted_meanwhile_is_not_stranded(world: World) -> None:
    """Its release would overtake the reserve of the mission that holds it now."""
    agent_id, uuid = await world.agent(status="free")
    before, holder = await world.mission(agent_id), await world.mission(agent_id)
    await ended(world, before, 5)
    async with world.database.transaction() as granting:
        await lock_agents(granting, [agent_id])
        applying = asyncio.create_task(world.apply(state(uuid, "ready", work_process_id=before)))
        await world.until_waiting_or_done(applying)
        assert not applying.done()
        await granting.execute(insert(reservations).values(agent_id=agent_id, work_process_id=holder, attempt=1))
    assert (await applying).stranded == []


async def test_a_mission_that_never_had_the_agent_strands_nobody(world: World) -> None:
    _, uuid = await world.agent()
    mission = await world.mission()
    await ended(world, mission, 5)
    assert (await world.apply(state(uuid, "ready", work_process_id=mission))).stranded == []


async def test_mission_events_are_numbered_without_gaps(world: World) -> None:
    agent_id, uuid = await world.agent()
    mission = await world.mission(agent_id)
    ids = [await world.assignment(mission, agent_id) for _ in range(3)]
    await world.apply(*(state(uuid, "busy", said(id_, "succeeded")) for id_ in ids))
    async with world.database.transaction() as connection:
        numbers = list(
            (
                await connection.execute(
                    select(events.c.mission_sequence)
                    .where(events.c.work_process_id == mission)
                    .order_by(events.c.mission_sequence)
                )
            ).scalars()
        )
    assert numbers == [1, 2, 3]


async def test_free_agent_that_can_do_other_things_may_be_grantable(world: World) -> None:
    agent_id, uuid = await world.agent()
    welds, nothing = {"operation_types_available": ["weld"]}, {"operation_types_available": []}
    await world.apply(state(uuid))
    assert (await world.apply(state(uuid, resources=welds))).changed_agent_ids == {agent_id}
    await refresh_lines(world.database, [agent_id])
    assert (await world.row(agents, agent_id)).able_to == ["weld"]
    assert (await world.apply(state(uuid, resources=welds))).changed_agent_ids == set(), "a repeat"
    assert (await world.apply(state(uuid, "busy", resources=nothing))).changed_agent_ids == set(), "not grantable"
