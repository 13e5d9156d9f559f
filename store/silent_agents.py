"""Agents that say nothing although they have an assignment: noted on its mission, for as long as that is so."""

from sqlalchemy import text

from missions.contracts import AgentSilence, RaiseAttention, Signal
from missions.limits import LONGEST
from store import attention, substitute_searches
from store.database import Database
from store.wakeups import NewSignal, Wakeup, add_signals
from store.work_process_status import LockedWorkProcess, lock


async def look(database: Database, default: float, limit: int = 100) -> list[Wakeup]:
    """Raise attention for agents that fell silent, take it back for those that spoke; their missions' wake-ups.

    `default`: seconds for missions whose recipe has no `agentSilence`; 0: never. Only missions with one are woken.
    """
    return [*await _fell_silent(database, default, limit), *await _spoke(database, limit)]


async def _fell_silent(database: Database, default: float, limit: int) -> list[Wakeup]:
    async with database.statement() as connection:
        rows = (await connection.execute(_FELL_SILENT, {"default": default, "limit": limit})).all()
    wakeups: list[Wakeup] = []
    for row in rows:
        since = row.last_message_time
        says = f"has said nothing since {since:%Y-%m-%d %H:%M:%S %Z}" if since else "has never said anything"
        words = f"agent {row.uuid} {says}"
        call = RaiseAttention(
            work_process_id=row.work_process_id,
            attempt=row.attempt,
            transition=0,
            code="agent_silent",
            text=f"{words}; it has assignment {row.id}",
            assignment_id=row.id,
        )
        async with database.transaction() as connection:
            if await attention.raise_(connection, call) and row.watched:
                told = AgentSilence(assignment_id=row.id, silent=True, text=words)
                signal = NewSignal(row.workflow_id, row.work_process_id, Signal.AGENT_SILENT, told)
                wakeups += await add_signals(connection, [signal])
    return wakeups


# NULL: never. `least` alone would take that for the longest.
_LIMIT = "coalesce(CAST(w.options ->> 'agentSilence' AS float), nullif(CAST(:default AS float), 0))"

# It had time to speak since it was sent the assignment. In an immediate pause it stands still, and is not asked.
_FELL_SILENT = text(
    f"""
    SELECT a.id, a.work_process_id, a.attempt, a.workflow_id, agents.uuid, agents.last_message_time,
        w.options ->> 'agentSilence' IS NOT NULL AS watched
    FROM work_processes AS w
    JOIN assignments AS a ON a.work_process_id = w.id
    JOIN agents ON agents.id = a.agent_id
    WHERE w.status = 'executing' AND w.pause_mode IS DISTINCT FROM 'immediate'
      AND a.status IN ('to_dispatch', 'executing', 'active') AND a.intent_at IS NOT NULL
      AND greatest(agents.last_message_time, a.intent_at)
        < now() - make_interval(secs => least({_LIMIT}, {LONGEST})) AND {_LIMIT} IS NOT NULL
      AND NOT w.attention @> jsonb_build_array(jsonb_build_object('code', 'agent_silent', 'assignmentId', a.id))
    ORDER BY a.work_process_id, a.id LIMIT :limit
    """
)


async def _spoke(database: Database, limit: int) -> list[Wakeup]:
    async with database.statement() as connection:
        rows = (await connection.execute(_SPOKE, {"limit": limit})).all()
    wakeups: list[Wakeup] = []
    for row in rows:
        async with database.transaction() as connection:
            work_process = await lock(connection, row.id)
            if work_process.ended or not await attention.take_back(
                connection, work_process, ("agent_silent", "no_substitute"), row.assignment_id
            ):
                continue
            await substitute_searches.end(connection, row.assignment_id)
            if row.watched:
                told = AgentSilence(assignment_id=row.assignment_id, silent=False)
                signal = NewSignal(row.workflow_id, row.id, Signal.AGENT_SILENT, told)
                wakeups += await add_signals(connection, [signal])
    return wakeups


def noted(work_process: LockedWorkProcess, assignment_id: int) -> bool:
    """Whether a locked mission still says that this assignment's agent is silent."""
    return any(one["code"] == "agent_silent" and one["assignmentId"] == assignment_id for one in work_process.attention)


_SPOKE = text(
    """
    SELECT w.id, w.workflow_id, CAST(entry ->> 'assignmentId' AS bigint) AS assignment_id,
        w.options ->> 'agentSilence' IS NOT NULL AS watched
    FROM work_processes AS w
    CROSS JOIN LATERAL jsonb_array_elements(w.attention) AS entry
    JOIN agents ON agents.id = CAST(entry ->> 'agentId' AS bigint)
    WHERE w.status = 'executing' AND w.attention @> '[{"code": "agent_silent"}]'
      AND entry ->> 'code' = 'agent_silent'
      AND agents.last_message_time > CAST(entry ->> 'since' AS timestamptz)
    ORDER BY w.id LIMIT :limit
    """
)
