"""Get the mission's agents: wait in line, tell them, await their `ready`."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, Outcome, RequeueReservation, ReserveAgents, Reserved
    from missions.errors import Failure, FailureCode
    from missions.statuses import WorkProcessStatus

from workflows.mission import Failed, Mission, Stop
from workflows.options import WITH_HEARTBEAT
from workflows.search_attributes import AGENTS


async def reserve(mission: Mission) -> None:
    """Return once every agent is reserved and ready; raises Failed, Stop."""
    mission.board.status(WorkProcessStatus.PREPARING_RESOURCES)
    waiting_since = workflow.time()
    reserved = await _reserve_agents(mission)
    chosen: list[str] = []
    while True:
        if reserved.outcome is Outcome.SUPERSEDED:
            raise Stop
        if reserved.failure is not None:
            raise Failed(reserved.failure)
        if reserved.outcome is Outcome.WAITING:
            await _wait_for_grant(mission, reserved.waiting, waiting_since)
            reserved = await _reserve_agents(mission)
            continue
        chosen = reserved.chosen or chosen
        if reserved.ready or await _ready(mission, reserved.round):
            if chosen:  # whom a mission names, its run has known from its start
                workflow.upsert_search_attributes([AGENTS.value_set(chosen)])
            return
        reserved = await mission.act(
            Activity.REQUEUE_RESERVATION,
            RequeueReservation(**mission.call(), round=reserved.round),
            Reserved,
            "agents did not answer: back to the line",
        )


async def _ready(mission: Mission, round_: int) -> bool:
    """Wait for the agents' `ready`, telling them again: a queue that outlived its agent swallows messages."""
    deadline = workflow.time() + mission.start.ready_timeout
    while True:
        left = deadline - workflow.time()
        if await mission.until(
            lambda: round_ in mission.attempt.ready_rounds,
            timeout=max(0.0, min(left, mission.start.reserve_resend_interval)),
            waiting="the agents' `ready`",
        ):
            return True
        if workflow.time() >= deadline:
            return False
        again = await _reserve_agents(mission)
        if again.ready:
            return True
        if again.outcome is not Outcome.DONE:
            return False  # put back in line, or superseded: the requeue finds out which


async def _reserve_agents(mission: Mission) -> Reserved:
    mission.attempt.granted = False
    agents = ", ".join(mission.start.agents) or "agents by choice"
    return await mission.act(
        Activity.RESERVE_AGENTS,
        ReserveAgents(**mission.call()),
        Reserved,
        f"reserve {agents}",
        WITH_HEARTBEAT,
    )


async def _wait_for_grant(mission: Mission, why: str, since: float) -> None:
    mission.board.status(WorkProcessStatus.PREPARING_RESOURCES, why)
    limit = mission.start.options.max_wait
    left = None if limit is None else max(0.0, since + limit - workflow.time())
    if not await mission.until(lambda: mission.attempt.granted, timeout=left, waiting=why or "agents"):
        raise Failed(
            Failure(
                code=FailureCode.RESERVATION_TIMEOUT,
                text=f"the agents were not available within {limit:g} s: {why}",
            )
        )
