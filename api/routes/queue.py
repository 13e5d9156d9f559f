"""What waits to run, in its order; and how many missions without agents may run at once."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import PartsDep, PrincipalDep
from api.models.queue import (
    Queue,
    QueueEntry,
    QueueQuery,
    SlotLimits,
    SlotLimitsBody,
    read_cursor,
    write_cursor,
)
from api.models.work_processes import priority_name
from api.problems import responses
from missions.events import EventSource, utc_now
from missions.priorities import score
from store import slot_limits, slots, waiting_queue
from store.waiting_queue import Place

router = APIRouter(prefix="/queue", tags=["queue"])


@router.get("", responses=responses(422))
async def list_queue(query: Annotated[QueueQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Queue:
    """What waits for agents or for a slot, highest score first; missions before their start time are in no line yet."""
    async with parts.database.transaction() as connection:
        rows = await waiting_queue.page(
            connection,
            after=read_cursor(query.cursor),
            limit=query.limit + 1,
            waits_for=query.waits_for,
            type_name=query.type,
        )
        shown = rows[: query.limit]
        reasons = await waiting_queue.reasons(connection, shown)
        totals = await waiting_queue.totals(connection)
        limits = await slot_limits.read(connection)
    now = utc_now()
    return Queue(
        items=[
            QueueEntry.model_validate(
                row
                | {
                    "score": round(score(row["priority"], row["enqueued_at"], now), 3),
                    "priority": priority_name(row["priority"]),
                    "waiting_reasons": reasons.get(row["work_process_id"], []),
                }
            )
            for row in shown
        ],
        next_cursor=write_cursor(Place.of(shown[-1])) if len(rows) > query.limit else None,
        length=totals.agents + totals.slot,
        waiting_for_agents=totals.agents,
        waiting_for_slot=totals.slot,
        oldest_wait=None if totals.oldest is None else round((now - totals.oldest).total_seconds(), 3),
        limits=SlotLimits.of(limits),
    )


@router.get("/limits", responses=responses())
async def get_limits(parts: PartsDep, _: PrincipalDep) -> SlotLimits:
    """How many missions without agents may run at once, overall and of each recipe, and how many do."""
    async with parts.database.transaction() as connection:
        return SlotLimits.of(await slot_limits.read(connection))


@router.put("/limits", responses=responses(400, 413, 422))
async def set_limits(body: SlotLimitsBody, parts: PartsDep, principal: PrincipalDep) -> SlotLimits:
    """Change the overall limit; it holds at once, and no mission that runs is stopped.

    A recipe's own limit is its `maxConcurrent`.
    """
    async with parts.database.transaction() as connection:
        await slot_limits.set_overall(connection, body.overall, principal=principal, source=EventSource.API)
    await parts.waker.send(await slots.move_up(parts.database))
    async with parts.database.transaction() as connection:
        return SlotLimits.of(await slot_limits.read(connection))
