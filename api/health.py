"""Whether this process lives, and whether the parts that it needs answer."""

import asyncio
from collections.abc import Awaitable

import aio_pika
from fastapi import APIRouter, Response
from pydantic import Field

from api.deps import PartsDep
from api.models.base import Resource
from engine.client import connect
from settings import Settings
from store.database import Database
from store.rows import ping

_SECONDS = 3.0

router = APIRouter(prefix="/health", tags=["health"])


class PartHealth(Resource):
    """One part: the database, the engine or the broker."""

    ok: bool
    detail: str = Field(examples=["answers"])


class Health(Resource):
    """`ready` if every part answers, else `not ready`."""

    status: str = Field(examples=["ready"])
    parts: dict[str, PartHealth]


@router.get("/live")
async def live() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"model": Health, "description": "a part is down; it is named"}})
async def ready(response: Response, parts: PartsDep) -> Health:
    """Ask database, Temporal and RabbitMQ, all at once, at most a few seconds each."""
    names = ("database", "temporal", "rabbitmq")
    checks = (_database(parts.database), _temporal(), _broker(parts.settings))
    found = dict(zip(names, await asyncio.gather(*map(_ask, checks)), strict=True))
    well = all(part.ok for part in found.values())
    response.status_code = 200 if well else 503
    return Health(status="ready" if well else "not ready", parts=found)


async def _ask(check: Awaitable[None]) -> PartHealth:
    # Not wait_for, which waits for the cancelled check too: with a frozen server that may take for ever.
    task = asyncio.ensure_future(check)
    await asyncio.wait({task}, timeout=_SECONDS)
    if not task.done():
        task.cancel()
        return PartHealth(ok=False, detail=f"no answer within {_SECONDS:g} s")
    error = task.exception()
    if error is not None:
        # The kind of error only: its text may hold addresses and logins.
        return PartHealth(ok=False, detail=f"does not answer ({type(error.__cause__ or error).__name__})")
    return PartHealth(ok=True, detail="answers")


async def _database(database: Database) -> None:
    async with database.transaction() as connection:
        await ping(connection)


async def _temporal() -> None:
    client = await connect()
    if not await client.service_client.check_health():
        raise ConnectionError("not serving")


async def _broker(settings: Settings) -> None:
    connection = await aio_pika.connect(settings.amqp_url, timeout=_SECONDS)
    await connection.close()
