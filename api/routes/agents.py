"""Agents: list, read, register, change, put back into service."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import SecretStr

from api.deps import AccountMaker, Parts, PartsDep, PrincipalDep, next_cursor, read_cursor
from api.idempotency import MADE_BEFORE, Creation, CreationDep
from api.models.agents import Agent, AgentPatch, AgentQuery, AgentRegister, FollowerConnection, FullAgent
from api.models.base import Page, PathId
from api.problems import responses
from missions.errors import Conflict, InvalidInput, NotFound
from missions.events import EventSource
from missions.principals import Principal
from store import account_rights, agent_registry
from store.agent_registry import AgentFilter
from store.agents import account_made
from store.connection import Connection
from store.notifications import notify
from store.rows import Row
from store.waiting_line import refresh_lines

router = APIRouter(prefix="/agents", tags=["agents"])


@router.get("", responses=responses(422))
async def list_agents(query: Annotated[AgentQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Page[Agent]:
    """Agents in the order of their ids."""
    wanted = AgentFilter(
        yard_id=query.yard_id,
        uuid=query.uuid,
        status=query.status,
        agent_class=query.agent_class,
        agent_type=query.agent_type,
        parent_id=query.parent_id,
    )
    async with parts.database.transaction() as connection:
        rows = await agent_registry.page(
            connection, wanted, after=read_cursor(query.cursor) or 0, limit=query.limit + 1
        )
    return Page(
        items=[Agent.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_agent(id: PathId, parts: PartsDep, _: PrincipalDep) -> FullAgent:
    """One agent with its factsheet, geometry and sensors."""
    return await _read(parts, id)


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 409, 413, 422))
async def register_agent(
    body: AgentRegister, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> FullAgent:
    """Register an agent, so that it may check in and missions may name it."""
    if body.account is not None and parts.account_maker is None:
        raise InvalidInput(
            "this server makes no accounts at the broker",
            field="account",
            remedy="leave `account` out, and make the account with the broker's own tools",
        )
    if body.account is None or parts.account_maker is None:
        agent_id = await _insert(parts, creation, body, principal)
    else:
        # Also while it waits for the same request, which holds a connection too.
        async with parts.making_accounts:
            agent_id = await _insert(parts, creation, body, principal)
            await _make_account(parts, parts.account_maker, creation, agent_id, body.account.password, principal)
    response.headers["Location"] = f"/api/v1/agents/{agent_id}"
    return await _read(parts, agent_id)


@router.patch("/{id}", responses=responses(400, 404, 409, 413, 422))
async def patch_agent(id: PathId, body: AgentPatch, parts: PartsDep, principal: PrincipalDep) -> FullAgent:
    """Change what clients may set of an agent."""
    async with parts.database.transaction() as connection:
        moved = await agent_registry.patch(connection, id, body.columns(), principal=principal, source=EventSource.API)
    if body.model_fields_set & {"yard_id", "agent_class"}:
        await notify(parts.database, account_rights.CHANNEL)
    if moved:
        await _grant_waiting(parts, id)
    return await _read(parts, id)


@router.put("/{id}/followers/{followerId}", responses=responses(400, 404, 413, 422))
async def describe_follower(
    id: PathId, followerId: PathId, body: FollowerConnection, parts: PartsDep, principal: PrincipalDep
) -> FullAgent:
    """Say how a follower hangs on its leader, as long as it follows: the leader itself names its followers."""
    async with parts.database.transaction() as connection:
        await agent_registry.describe_connection(
            connection, id, followerId, body.connection_geometry, principal=principal, source=EventSource.API
        )
    return await _read(parts, id)


@router.post("/{id}/clear-quarantine", responses=responses(404, 422))
async def clear_quarantine(id: PathId, parts: PartsDep, principal: PrincipalDep) -> FullAgent:
    """Say that somebody looked after the agent: missions may reserve it again once it reports `free`."""
    async with parts.database.transaction() as connection:
        cleared = await agent_registry.clear_quarantine(connection, id, principal=principal, source=EventSource.API)
    if cleared:
        await _grant_waiting(parts, id)
    return await _read(parts, id)


async def _insert(parts: Parts, creation: Creation, body: AgentRegister, principal: Principal) -> int:
    """The id of the agent; whoever is to have an account is registered once that is made."""
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (agent_id,) = made
            return agent_id
        agent_id = await agent_registry.insert_agent(connection, body.columns())
        await creation.remember(connection, agent_id)
        if body.account is None:
            await agent_registry.registered(connection, agent_id, body.uuid, body.yard_id, principal, EventSource.API)
    return agent_id


async def _make_account(
    parts: Parts, make: AccountMaker, creation: Creation, agent_id: int, password: SecretStr, principal: Principal
) -> None:
    """Make the account of an agent that is being registered, unless it is made; if that fails, take the agent back.

    In a second transaction, where nothing is locked but the request's key: a locked row would stop the agents' intake
    while the broker is asked. The same request, sent again, finishes what a process that died has left.
    """
    try:
        async with parts.database.transaction() as connection:
            await creation.lock(connection)
            agent = await _being_registered(connection, agent_id)
            if agent["has_rbmq_account"]:
                return
            standing = await account_rights.standing(connection, agent_id)
            await make(standing, password)
            await account_made(connection, standing, agent["uuid"])
            await agent_registry.registered(
                connection, agent_id, agent["uuid"], agent["yard_id"], principal, EventSource.API
            )
    except BaseException:
        async with parts.database.transaction() as connection:
            await creation.lock(connection)
            if await agent_registry.take_back(connection, agent_id):
                await creation.forget(connection)
        raise


async def _being_registered(connection: Connection, agent_id: int) -> Row:
    try:
        return await agent_registry.get(connection, agent_id)
    except NotFound:
        raise Conflict(
            "the same request, sent before, has failed meanwhile, and its agent was taken back", remedy="send it again"
        ) from None


async def _grant_waiting(parts: Parts, agent_id: int) -> None:
    wakeups = await refresh_lines(parts.database, [agent_id])
    if wakeups:
        await parts.waker.send(wakeups)


async def _read(parts: Parts, agent_id: int) -> FullAgent:
    async with parts.database.transaction() as connection:
        return FullAgent.model_validate(await agent_registry.get(connection, agent_id))
