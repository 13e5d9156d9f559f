"""Instruments are held exclusively: while a mission holds one, nobody else has it do anything.

Whatever its kind, a mission holds an instrument from its reservation, or from the first assignment that it sends it
without one, until it ends. Agents of other classes stay as in helyOS, where who asks past a reservation gets through.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from missions.errors import Conflict, Failure, FailureCode, MissionError
from missions.statuses import AgentClass
from store import mission_agents
from store.connection import Connection
from store.tables import MISSION_OPEN
from store.work_process_status import LockedWorkProcess

NAME = "coalesce({agent}.alias, {agent}.uuid)"
"""SQL: what an instrument or a platform is called, as mission files write it."""


async def refuse_if_held(
    connection: Connection,
    agent_ids: Collection[int],
    *,
    but: int | None = None,
    field: str = "agentIds",
    or_else: str = "",
) -> None:
    """Raise Conflict if another mission than `but` holds an instrument among these agents; locks the instruments.

    After the mission's lock, if it has one. `or_else`: what else the client may do.
    """
    await _refuse(connection, _HELD, agent_ids, but, field, or_else)


async def refuse_if_busy(
    connection: Connection, agent_ids: Collection[int], *, but: int | None = None, field: str = "agentIds"
) -> None:
    """Raise Conflict also if a mission that was dispatched before waits to hold one of them (`OnBusy.REFUSE`).

    Two that are dispatched at once meet in the instruments' locks: so it is called before the dispatch is written, and
    in its transaction.
    """
    await _refuse(connection, _HELD_OR_WANTED, agent_ids, but, field)


async def hold(
    connection: Connection, work_process: LockedWorkProcess, step: str, to_work: Collection[int], told: Collection[int]
) -> None:
    """Let a locked mission hold the instruments of its assignments; those that it only commands (`told`) may be free.

    Raises MissionError naming the holder. So nobody else can come to hold one between this and the sending.
    """
    instruments = await _lock(connection, {*to_work, *told})
    taken = await _taken(connection, _HELD, instruments, work_process.id)
    if taken is not None:
        raise MissionError(
            Failure(
                code=FailureCode.AGENT_HELD,
                text=f"step {step!r}: {_words(taken)}, so this mission cannot have it do anything",
                step=step,
                agent_id=taken.id,
            )
        )
    await mission_agents.hold(connection, work_process.id, work_process.attempt, to_work)


def held_by(instrument: str, work_process_id: int, plan_id: str | None) -> str:
    """Who holds an instrument, in short."""
    if plan_id is None:
        return f"instrument {instrument} is held by work process {work_process_id}"
    return f"instrument {instrument} is held by mission file {plan_id} (work process {work_process_id})"


async def _refuse(
    connection: Connection,
    statement: Any,
    agent_ids: Collection[int],
    but: int | None,
    field: str,
    or_else: str = "",
) -> None:
    taken = await _taken(connection, statement, await _lock(connection, agent_ids), but)
    if taken is not None:
        remedy = f"wait until work process {taken.work_process_id} has ended, or cancel it"
        raise Conflict(_words(taken), field=field, value=taken.id, remedy=f"{remedy}; {or_else}" if or_else else remedy)


async def _lock(connection: Connection, agent_ids: Collection[int]) -> list[int]:
    return list((await connection.execute(_LOCK, {"ids": list(agent_ids)})).scalars())


async def _taken(connection: Connection, statement: Any, instruments: list[int], but: int | None) -> Any:
    """The first of these instruments, which are locked, that is another mission's, and that mission."""
    if not instruments:
        return None
    return (await connection.execute(statement, {"ids": instruments, "but": but})).one_or_none()


def _words(taken: Any) -> str:
    verb = "held" if taken.held else "wanted"
    mission = f"work process {taken.work_process_id} of type {taken.type_name!r}"
    if taken.plan_id is not None:
        mission = f"mission file {taken.plan_id} of platform {taken.platform} ({mission})"
    return f"instrument {taken.instrument} (agent {taken.id}) is {verb} by {mission}"


_LOCK = text(
    f"""
    SELECT id FROM agents WHERE id = ANY(CAST(:ids AS bigint[])) AND agent_class = '{AgentClass.INSTRUMENT}'
    ORDER BY id FOR NO KEY UPDATE
    """
)
_BY_RESERVATION = "SELECT work_process_id, true AS held FROM reservations WHERE agent_id = instrument.id"
# One that starts later, or has its next attempt later, leaves the instrument to others until then.
_BY_WISH = f"""
    SELECT id, false FROM work_processes
    WHERE {MISSION_OPEN}
        AND status IN ('dispatched', 'preparing resources') AND instrument.id = ANY(agent_ids)
        AND coalesce(next_attempt_at, sched_start_at, now()) <= now()
"""
_TAKEN = """
    SELECT instrument.id, {name} AS instrument, taken.held, taken.work_process_id,
        mission.work_process_type_name AS type_name, file.plan_id, {platform} AS platform
    FROM agents AS instrument
    CROSS JOIN LATERAL ({by}) AS taken
    JOIN work_processes AS mission ON mission.id = taken.work_process_id
    LEFT JOIN mission_files AS file ON file.work_process_id = mission.id
    LEFT JOIN agents AS platform ON platform.id = file.platform_id
    WHERE instrument.id = ANY(CAST(:ids AS bigint[])) AND mission.id IS DISTINCT FROM CAST(:but AS bigint)
    ORDER BY instrument.id, taken.held DESC, mission.id LIMIT 1
"""
_NAMES = {"name": NAME.format(agent="instrument"), "platform": NAME.format(agent="platform")}
_HELD = text(_TAKEN.format(by=_BY_RESERVATION, **_NAMES))
_HELD_OR_WANTED = text(_TAKEN.format(by=f"{_BY_RESERVATION} UNION ALL {_BY_WISH}", **_NAMES))
