"""Whether this process lives, and whether the parts that it needs answer."""

import asyncio

from fastapi import APIRouter, Response
from pydantic import Field

from api.deps import PartsDep
from api.models.base import Resource

router = APIRouter(prefix="/health", tags=["health"])


# A load balancer must not take the API away for what it does not need itself.
_SPARED = {"rabbitmq"}


class PartHealth(Resource):
    """One part: the database, the engine or the broker."""

    ok: bool
    detail: str = Field(examples=["answers"])


class Health(Resource):
    """`ready` if every part answers; `degraded` if only RabbitMQ does not; else `not ready`."""

    status: str = Field(examples=["ready"])
    parts: dict[str, PartHealth]


@router.get("/live")
async def live() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"model": Health, "description": "database or Temporal is down"}})
async def ready(response: Response, parts: PartsDep) -> Health:
    """Ask database, Temporal and RabbitMQ, all at once, at most a few seconds each; answers are kept for 2 s.

    Without RabbitMQ the answer is 200 with `degraded`: this API, and missions without agents, go on.
    """
    troubles = await asyncio.gather(*(probe.trouble() for probe in parts.probes.values()))
    found = {
        name: PartHealth(ok=trouble is None, detail=_detail(name, trouble))
        for name, trouble in zip(parts.probes, troubles, strict=True)
    }
    down = {name for name, part in found.items() if not part.ok}
    response.status_code = 503 if down - _SPARED else 200
    return Health(status="not ready" if down - _SPARED else "degraded" if down else "ready", parts=found)


def _detail(name: str, trouble: str | None) -> str:
    if trouble is not None and name in _SPARED:
        return f"{trouble}; agents are not reached, all else goes on"
    return trouble or "answers"
