"""Requests whose agents the system chooses (`agentSelector`): one line for each yard, beside the agents' own lines.

In an agent's line such a request stands wherever the agent would do for it; it is granted as soon as enough agents that
would do are free and it is the first in the line of each. So nobody is overtaken, by name or by choice.

Agents that come to a yard are not locked by who chooses among those that are there. Therefore who chooses, and who lets
an agent come or go, exclude each other by a lock of the yard, taken after the agents' locks.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from missions.requests import AgentSelector
from store.connection import Connection
from store.operation_types import ABLE_TO
from store.work_process_status import LockedWorkProcess

_BATTERY = """
    CAST(coalesce(
        jsonb_path_query_first({sensors}, 'lax $.**{{0 to 1}}.battery ? (@.type() == "number")'),
        jsonb_path_query_first({sensors}, 'lax $.**{{0 to 1}}.battery.value ? (@.type() == "number")')
    ) AS float8)
"""
BATTERY = f"""
    (SELECT {_BATTERY.format(sensors="details.sensors")} FROM agent_details AS details
     WHERE details.agent_id = agents.id)
"""
"""SQL: what an agent's sensor `battery` says, at the top or within one group; null: not known."""

IS_CANDIDATE = """
    agents.yard_id = selector.yard_id AND agents.agent_class = selector.agent_class
    AND (selector.agent_type IS NULL OR agents.agent_type = selector.agent_type)
"""
"""SQL: whether an agent is of the kind that a selector looks for."""

SEEN_AS = "concat_ws('/', coalesce(agents.yard_id, 0), agents.agent_class, agents.agent_type)"
"""SQL: what decides for which selectors an agent is a candidate; first its yard."""

_IS_CHARGED = f"(selector.battery_above IS NULL OR coalesce({BATTERY} > selector.battery_above, false))"

WOULD_DO = f"""
    {IS_CANDIDATE} AND selector.operation_types <@ {ABLE_TO} AND {_IS_CHARGED}
"""
"""SQL: whether a selector may choose this agent as it is now."""

GRANTABLE = """
    agents.status = 'free' AND agents.yard_id IS NOT NULL
    AND agents.not_listening_since IS NULL AND agents.quarantined_since IS NULL
    AND NOT EXISTS (SELECT FROM reservations WHERE reservations.agent_id = agents.id)
"""
"""SQL: whether an agent could be reserved now."""


_WAS_CHARGED = f"coalesce({_BATTERY.format(sensors='before.sensors')} > selector.battery_above, false)"
_WILL_BE_CHARGED = f"coalesce({_BATTERY.format(sensors='said.sensors')} > selector.battery_above, false)"
_LIMITS = """
    SELECT yard_id, battery_above FROM reservation_selectors WHERE waiting AND battery_above IS NOT NULL
    UNION ALL SELECT yard_id, battery_above FROM substitute_searches WHERE battery_above IS NOT NULL
"""
CROSSES_A_LIMIT = f"""
    EXISTS ({_LIMITS}) AND said.sensors IS NOT NULL AND EXISTS (
        SELECT FROM ({_LIMITS}) AS selector
        WHERE selector.yard_id = agents.yard_id AND {_WAS_CHARGED} <> {_WILL_BE_CHARGED}
    )
"""
"""SQL: whether a battery passes a limit that somebody waits for, from `before.sensors` to `said.sensors`.

First a look that is the same for all agents: mostly nobody waits for a battery.
"""


def wanted(work_process: LockedWorkProcess) -> dict[str, Any] | None:
    """What a mission's selector asks for; None: its agents are named."""
    if work_process.agent_selector is None:
        return None
    assert work_process.yard_id is not None, "only a mission without agents may be in no yard"
    selector = AgentSelector.model_validate(work_process.agent_selector)
    return selector.columns(yard_id=work_process.yard_id, operation_types=work_process.operation_types_required)


async def lock_candidates(connection: Connection, wants: dict[str, Any], held: Collection[int]) -> list[int]:
    """Lock the agents that a selector may choose, and those that it chose, in id order; then its yard."""
    locked = await connection.execute(
        _LOCK_CANDIDATES, {**{name: wants[name] for name in ("yard", "class", "type")}, "held": list(held)}
    )
    agent_ids = list(locked.scalars())
    await connection.execute(_LOCK_YARD, {"yard": wants["yard"]})
    return agent_ids


_LOCK_CANDIDATES = text(
    """
    SELECT id FROM agents
    WHERE (yard_id = :yard AND agent_class = :class
           AND (CAST(:type AS text) IS NULL OR agent_type = CAST(:type AS text)))
        OR id = ANY(CAST(:held AS bigint[]))
    ORDER BY id FOR NO KEY UPDATE
    """
)
_YARD_KEY = "hashtextextended('agents of yard ' || CAST({yard} AS text), 0)"
_LOCK_YARD = text(f"SELECT pg_advisory_xact_lock({_YARD_KEY.format(yard='CAST(:yard AS bigint)')})")
_SHARE_YARDS = text(
    f"""
    SELECT pg_advisory_xact_lock_shared({_YARD_KEY.format(yard="yard.id")})
    FROM (SELECT unnest(CAST(:yards AS bigint[])) AS id ORDER BY 1) AS yard
    """
)


async def enqueue(connection: Connection, request_id: int, wants: dict[str, Any]) -> None:
    """Put a new request into its yard's line; candidates and yard are locked."""
    await connection.execute(_ENQUEUE, {"request": request_id, **wants})
    await _recompute_claims(connection, [wants["yard"]])


_ENQUEUE = text(
    """
    INSERT INTO reservation_selectors (
        request_id, yard_id, score_key, count, agent_class, agent_type, operation_types, battery_above, x, y
    ) SELECT id, :yard, score_key, :count, :class, :type, CAST(:operations AS text[]), :battery, :x, :y
    FROM reservation_requests WHERE id = :request
    """
)


async def choose(connection: Connection, request_id: int, candidates: Collection[int]) -> list[tuple[int, str]] | None:
    """The agents for a waiting request, as (id, uuid), nearest first; None: not enough yet.

    Candidates and yard are locked.
    """
    rows = (await connection.execute(_CHOOSE, {"request": request_id, "ids": list(candidates)})).all()
    if not rows or len(rows) < rows[0].wanted:
        return None
    chosen = [(row.id, row.uuid) for row in rows]
    await connection.execute(_LEAVE_LINE, {"request": request_id, "ids": [agent_id for agent_id, _ in chosen]})
    return chosen


AHEAD = f"""
    EXISTS (
        SELECT FROM reservation_selectors AS selector
        WHERE selector.yard_id = agents.yard_id AND selector.waiting AND selector.claims
            AND (selector.score_key, selector.request_id) < (mine.score_key, mine.request_id) AND {WOULD_DO}
    )
"""
"""SQL: whether a selector that stands before the request `mine` would take this agent."""

_CHOOSE = text(
    f"""
    SELECT agents.id, agents.uuid, mine.count AS wanted FROM reservation_selectors AS mine
    JOIN reservation_selectors AS selector ON selector.request_id = mine.request_id
    JOIN agents ON agents.id = ANY(CAST(:ids AS bigint[]))
    WHERE mine.request_id = :request AND {WOULD_DO} AND {GRANTABLE}
        AND NOT EXISTS (
            SELECT FROM reservation_request_agents AS line WHERE line.agent_id = agents.id AND line.claims
                AND (line.score_key, line.request_id) < (mine.score_key, mine.request_id)
        )
        AND NOT {AHEAD}
    ORDER BY agents.id = ANY(mine.unanswered),
        -- Not as floats, whose squares overflow.
        power(CAST(agents.x AS numeric) - CAST(mine.x AS numeric), 2)
            + power(CAST(agents.y AS numeric) - CAST(mine.y AS numeric), 2) NULLS LAST,
        agents.id
    LIMIT (SELECT count FROM reservation_selectors WHERE request_id = :request)
    """
)
_LEAVE_LINE = text(
    """
    WITH left_line AS (
        UPDATE reservation_selectors SET waiting = false, claims = false WHERE request_id = :request
    )
    INSERT INTO reservation_request_agents (request_id, agent_id, score_key, claims)
    SELECT id, agent_id, score_key, false FROM reservation_requests, unnest(CAST(:ids AS bigint[])) AS agent_id
    WHERE id = :request
    """
)


async def put_back(connection: Connection, request_id: int, wants: dict[str, Any], silent: Collection[int]) -> None:
    """Take a granted request's agents from it, so that it chooses anew, those that were silent last.

    Candidates and yard are locked.
    """
    await connection.execute(_FORGET_CHOICE, {"request": request_id, "silent": list(silent)})
    await _recompute_claims(connection, [wants["yard"]])


_FORGET_CHOICE = text(
    """
    WITH forgotten AS (DELETE FROM reservation_request_agents WHERE request_id = :request), mission AS (
        UPDATE work_processes SET agent_ids = '{}', agent_uuids = '{}', version = version + 1, modified_at = now()
        WHERE id = (SELECT work_process_id FROM reservation_requests WHERE id = :request)
    )
    UPDATE reservation_selectors SET waiting = true, unanswered = unanswered || CAST(:silent AS bigint[])
    WHERE request_id = :request
    """
)


async def agents_came_or_went(connection: Connection, yard_ids: Collection[int]) -> list[int]:
    """Let the selectors of these yards claim agents or not; returns the free agents whose line that may have moved.

    The agents that came or went, or whose battery passed a limit, are locked.
    """
    if not yard_ids:
        return []
    await connection.execute(_SHARE_YARDS, {"yards": list(yard_ids)})
    if not await _recompute_claims(connection, yard_ids):
        return []
    return await free_agents(connection, yard_ids)


async def free_agents(connection: Connection, yard_ids: Collection[int]) -> list[int]:
    """The agents of these yards that could be reserved now."""
    rows = await connection.execute(_FREE, {"yards": list(yard_ids)})
    return list(rows.scalars())


_FREE = text(f"SELECT id FROM agents WHERE yard_id = ANY(CAST(:yards AS bigint[])) AND {GRANTABLE} ORDER BY id")


async def _recompute_claims(connection: Connection, yard_ids: Collection[int]) -> bool:
    """Whether any claim changed. The rows are locked first: two changes at once would else miss each other's agent."""
    waiting = await connection.execute(_LOCK_WAITING, {"yards": list(yard_ids)})
    request_ids = list(waiting.scalars())
    if not request_ids:
        return False
    changed = await connection.execute(_RECOMPUTE, {"requests": request_ids})
    return bool(changed.scalars().all())


_LOCK_WAITING = text(
    """
    SELECT request_id FROM reservation_selectors WHERE yard_id = ANY(CAST(:yards AS bigint[])) AND waiting
    ORDER BY request_id FOR UPDATE
    """
)
_RECOMPUTE = text(
    f"""
    UPDATE reservation_selectors AS line SET claims = now_.claims
    FROM (
        SELECT selector.request_id, count(agents.id) >= selector.count AS claims
        FROM reservation_selectors AS selector
        LEFT JOIN agents ON agents.available AND agents.able_to @> selector.operation_types AND {IS_CANDIDATE}
            AND {_IS_CHARGED}
        WHERE selector.request_id = ANY(CAST(:requests AS bigint[])) GROUP BY selector.request_id
    ) AS now_
    WHERE line.request_id = now_.request_id AND line.claims IS DISTINCT FROM now_.claims
    RETURNING line.request_id
    """
)
