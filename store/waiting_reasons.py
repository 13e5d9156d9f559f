"""Why a mission waits, worked out when somebody asks: so it is always true now."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import text

from missions.events import utc_now
from missions.statuses import AgentClass
from store.connection import Connection
from store.exclusive_access import NAME, held_by
from store.operation_types import ABLE_TO
from store.reservations import HEAD
from store.selectors import BATTERY, IS_CANDIDATE, WOULD_DO

_COLUMNS = f"""
       mission.id AS work_process_id, mission.sched_start_at, mission.dispatched_at,
       request.status AS request_status, request.enqueued_at,
       agents.id AS agent_id, agents.uuid, coalesce(agents.name, agents.uuid) AS name, agents.status,
       agents.yard_id, agents.status_since, agents.not_listening_since,
       CASE WHEN agents.listen_again_at > now() THEN agents.listen_again_at END AS listen_again_at,
       agents.quarantined_since, agents.quarantine_reason, agents.acknowledge_reservation,
       held.work_process_id AS held_by, held.granted_at AS held_since, held.reserve_sent_at, held.ready_at,
       agents.agent_class, {NAME.format(agent="agents")} AS instrument, held_for.plan_id,
       ahead.work_process_id AS behind, {ABLE_TO} AS able_to
"""
_BESIDE = """
LEFT JOIN reservations AS held ON held.agent_id = agents.id
LEFT JOIN mission_files AS held_for ON held_for.work_process_id = held.work_process_id
LEFT JOIN LATERAL (
    SELECT other.work_process_id FROM ({head}) AS head
    JOIN reservation_requests AS other ON other.id = head.request_id
) AS ahead ON true
"""
_NAMED = f"""
SELECT {_COLUMNS}, request.id IS NULL AND mission.agent_selector IS NOT NULL AS chooses,
       ARRAY(SELECT unnest(mission.operation_types_required) EXCEPT SELECT unnest({ABLE_TO}) ORDER BY 1) AS lacking,
       CAST(NULL AS float8) AS battery, CAST(NULL AS float8) AS battery_above
FROM work_processes AS mission
LEFT JOIN (
    reservation_requests AS request
    JOIN reservation_request_agents AS member ON member.request_id = request.id
    JOIN agents ON agents.id = member.agent_id
) ON request.work_process_id = mission.id AND request.attempt = mission.attempt AND request.status <> 'ended'
{_BESIDE.format(head=HEAD)}
WHERE mission.id = ANY(:ids) AND mission.status IN ('dispatched', 'preparing resources')
  AND (request.id IS NOT NULL OR (mission.status = 'dispatched' AND mission.sched_start_at > now())
       OR mission.agent_selector IS NOT NULL)
ORDER BY mission.id, agents.id
"""
_CANDIDATES = 20
"""So many agents that a mission might choose are listed."""
_CHOOSING = f"""
SELECT {_COLUMNS}, yards.uid AS yard_uid, concat_ws(' of type ', selector.agent_class, selector.agent_type) AS wanted,
       ARRAY(SELECT unnest(selector.operation_types) EXCEPT SELECT unnest({ABLE_TO}) ORDER BY 1) AS lacking,
       selector.count AS count_wanted, (SELECT count(*) FROM agents WHERE {WOULD_DO}) AS would_do,
       selector.battery_above, CASE WHEN selector.battery_above IS NOT NULL THEN {BATTERY} END AS battery
FROM work_processes AS mission
JOIN reservation_requests AS request
    ON request.work_process_id = mission.id AND request.attempt = mission.attempt AND request.status = 'waiting'
JOIN reservation_selectors AS selector ON selector.request_id = request.id
JOIN yards ON yards.id = selector.yard_id
LEFT JOIN LATERAL (
    SELECT * FROM agents WHERE {IS_CANDIDATE} ORDER BY agents.id LIMIT {_CANDIDATES}
) AS agents ON true
{_BESIDE.format(head=HEAD)}
WHERE mission.id = ANY(:ids) ORDER BY mission.id, agents.id
"""
# Of a mission that runs, one agent may keep it waiting: what is for it came back.
_UNHEARD = text(
    """
    SELECT DISTINCT a.work_process_id, agents.id AS agent_id, coalesce(agents.name, agents.uuid) AS name,
        agents.not_listening_since, CASE WHEN agents.listen_again_at > now() THEN agents.listen_again_at END
            AS listen_again_at
    FROM assignments AS a JOIN agents ON agents.id = a.agent_id
    WHERE a.work_process_id = ANY(:ids) AND a.status = 'to_dispatch' AND a.intent_at IS NULL
        AND agents.not_listening_since IS NOT NULL
    ORDER BY a.work_process_id, agents.id
    """
)


async def waiting_reasons(connection: Connection, work_process_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """`[{code, text, agentId, since}]` of each of these missions that waits to be started, or to send an assignment.

    Two queries for all, and one more if some wait for agents of the system's choice.
    """
    reasons: dict[int, list[dict[str, Any]]] = {}
    if not work_process_ids:
        return reasons
    rows = list(await connection.execute(text(_NAMED), {"ids": list(work_process_ids)}))
    choosing = {row.work_process_id for row in rows if row.chooses}
    if choosing:
        candidates = (await connection.execute(text(_CHOOSING), {"ids": sorted(choosing)})).all()
        rows += candidates
        reasons.update({row.work_process_id: [_entry(row, None, *_too_few(row))] for row in candidates if _few(row)})
    for row in rows:
        found = _reason(row)
        if found is not None:
            code, words, since = found
            reasons.setdefault(row.work_process_id, []).append(_entry(row, row.agent_id, code, words, since))
    for row in await connection.execute(_UNHEARD, {"ids": list(work_process_ids)}):
        entry = _entry(row, row.agent_id, *_not_listening(row))
        reasons.setdefault(row.work_process_id, []).append(entry)
    return reasons


def _entry(row: Any, agent_id: int | None, code: str, words: str, since: Any) -> dict[str, Any]:
    return {"code": code, "text": words, "agentId": agent_id, "since": (since or row.enqueued_at).isoformat()}


def _few(row: Any) -> bool:
    """Whether agents that would do are there, but fewer than are wanted; who does not do has a reason of its own."""
    return bool(0 < row.would_do < row.count_wanted)


def _too_few(row: Any) -> tuple[str, str, Any]:
    words = f"{row.count_wanted} of {row.wanted} are wanted in yard {row.yard_uid!r}, {row.would_do} would do"
    return "too_few_candidates", words, None


def _not_listening(row: Any) -> tuple[str, str, Any]:
    since, again = row.not_listening_since, row.listen_again_at
    then = "" if again is None else f"; it is asked again from {again:%Y-%m-%d %H:%M:%S %Z}"
    return "agent_not_listening", f"agent {row.name} is not listening since {since:%Y-%m-%d %H:%M:%S %Z}{then}", since


def _reason(row: Any) -> tuple[str, str, Any] | None:
    """Code, words and since when, for one agent of one request; None: this agent is not what it waits for.

    A row without an agent: the mission is not in line yet, or finds nobody to choose from.
    """
    if row.agent_id is None:
        if row.request_status == "waiting":
            return "no_candidate", f"no {row.wanted} is in yard {row.yard_uid!r}", None
        if row.sched_start_at is None or row.sched_start_at <= utc_now():
            return None
        return "scheduled", f"starts at {row.sched_start_at:%Y-%m-%d %H:%M:%S %Z}", row.dispatched_at
    mine, name = row.work_process_id, f"agent {row.name}"
    if row.quarantined_since is not None:
        return "agent_quarantined", f"{name} is out of service: {row.quarantine_reason}", row.quarantined_since
    if row.not_listening_since is not None:
        return _not_listening(row)
    if row.held_by == mine:
        if row.ready_at is None and row.acknowledge_reservation:
            return "agent_not_ready", f"{name} was reserved and has not answered `ready` yet", row.held_since
        return None
    if row.held_by is not None and row.agent_class == AgentClass.INSTRUMENT:
        return "agent_reserved", held_by(row.instrument, row.held_by, row.plan_id), row.held_since
    if row.held_by is not None:
        return "agent_reserved", f"{name} is reserved by work process {row.held_by}", row.held_since
    if row.status is None:
        return "agent_unseen", f"{name} has not reported yet", None
    if row.yard_id is None:
        return "agent_checked_out", f"{name} is checked out of its yard", row.status_since
    if row.status != "free":
        return f"agent_{row.status}", f"{name} reports {row.status!r}, not 'free'", row.status_since
    if row.lacking:
        lacking, able = ", ".join(row.lacking), ", ".join(row.able_to) or "nothing that we know of"
        return "agent_lacks_operation", f"{name} cannot do {lacking}; it can do: {able}", None
    if row.battery_above is not None and not (row.battery or 0) > row.battery_above:
        says = "not known" if row.battery is None else f"at {row.battery:g}"
        return "agent_battery_low", f"{name}'s battery is {says}; it must be above {row.battery_above:g}", None
    if row.behind is not None and row.behind != mine:
        return "agent_claimed", f"{name} is free, but work process {row.behind} is before this one in its line", None
    return None
