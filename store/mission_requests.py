"""Missions that agents request: in the yard that they stand in, and for agents of that yard."""

from sqlalchemy import any_, select

from missions.errors import InvalidInput
from missions.events import EventSource
from missions.requests import NewMission
from settings import Settings
from store import drafts, idempotency
from store.agents import agent_principal
from store.connection import Connection
from store.tables import agents, work_processes
from store.wakeups import Wakeup
from store.work_processes import ResolvePreset, dispatch


async def create(
    connection: Connection,
    uuid: str,
    mission: NewMission,
    *,
    key: str,
    body_hash: str,
    settings: Settings,
    resolve_preset: ResolvePreset,
) -> tuple[int, list[Wakeup]]:
    """Create and dispatch the mission of an agent that is known; returns its id, and what starts it.

    With the key of an earlier request: the mission that it made. Raises InvalidInput where the agent may not have this
    mission, and what drafts.create and work_processes.dispatch raise.
    """
    if mission.mission_queue_id is not None:
        raise InvalidInput(
            "an agent's mission starts at once, so it has no place in a queue",
            field="mission_queue_id",
            value=mission.mission_queue_id,
            remedy="leave it out",
        )
    principal, source = agent_principal(uuid), EventSource.agent(uuid)
    known = await idempotency.claim(connection, principal, key, body_hash)
    if known is not None:
        return known[0], []
    own_yard = await connection.scalar(select(agents.c.yard_id).where(agents.c.uuid == uuid))
    if own_yard is None:
        raise InvalidInput(
            f"agent {uuid!r} stands in no yard", field="yard_uid", value=mission.yard_uid, remedy="check in first"
        )
    if mission.yard_id is None and mission.yard_uid is None:
        mission = mission.model_copy(update={"yard_id": own_yard})
    work_process_id = await drafts.create(connection, mission, principal=principal, source=source)
    # Of the draft, since that one has names resolved; a refusal takes it back.
    await _refuse_other_yards(connection, work_process_id, own_yard)
    await idempotency.remember(connection, principal, key, body_hash, work_process_id)
    wakeup = await dispatch(
        connection,
        work_process_id,
        principal=principal,
        source=source,
        settings=settings,
        resolve_preset=resolve_preset,
    )
    return work_process_id, [wakeup]


async def _refuse_other_yards(connection: Connection, work_process_id: int, own_yard: int) -> None:
    draft = (
        await connection.execute(
            select(
                work_processes.c.yard_id,
                work_processes.c.yard_uid,
                work_processes.c.agent_ids,
                work_processes.c.agent_selector,
            ).where(work_processes.c.id == work_process_id)
        )
    ).one()
    if draft.yard_id != own_yard:
        raise InvalidInput(
            "an agent may request missions in its own yard only",
            field="yard_uid",
            value=draft.yard_uid,
            remedy="leave it out, or check in to that yard",
        )
    if draft.agent_selector is not None and draft.agent_selector["yardId"] not in (None, own_yard):
        raise InvalidInput(
            "an agent may choose among the agents of its own yard only",
            field="agent_selector.yard_uid",
            value=draft.agent_selector["yardUid"],
            remedy="leave it out",
        )
    elsewhere = (
        await connection.execute(
            select(agents.c.uuid)
            .where(agents.c.id == any_(draft.agent_ids), agents.c.yard_id.is_distinct_from(own_yard))
            .order_by(agents.c.id)
        )
    ).scalars()
    strangers = list(elsewhere)
    if strangers:
        raise InvalidInput(
            f"an agent may request agents of its own yard only, and {strangers[0]!r} is not there",
            field="agent_uuids",
            value=strangers,
            remedy="name agents that are checked in to this yard",
        )
