"""`GET /metrics`, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from api.deps import PartsDep, bearer, require_token
from api.problems import responses

router = APIRouter(tags=["health"])

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


@router.get("/metrics", response_class=PlainTextResponse, responses=responses())
async def metrics(parts: PartsDep, credentials: Credentials) -> Response:
    """Metrics in Prometheus's text format; at most 2 s old. Needs the token, unless `MUSTER_METRICS_PUBLIC` is set."""
    if not parts.settings.metrics_public:
        require_token(parts, credentials)
    return Response(await parts.scrape.text(), media_type=CONTENT_TYPE_LATEST)
