"""Whether this process lives, and whether the parts that it needs answer."""

import asyncio

from fastapi import APIRouter, Response
from pydantic import Field

from api.deps import PartsDep
from api.models.base import Resource

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
    """Ask database, Temporal and RabbitMQ, all at once, at most a few seconds each; answers are kept for 2 s."""
    troubles = await asyncio.gather(*(probe.trouble() for probe in parts.probes.values()))
    found = {
        name: PartHealth(ok=trouble is None, detail=trouble or "answers")
        for name, trouble in zip(parts.probes, troubles, strict=True)
    }
    well = all(part.ok for part in found.values())
    response.status_code = 200 if well else 503
    return Health(status="ready" if well else "not ready", parts=found)
