"""What every handler gets: the parts of this process, and who asks."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from activities.activity_types import ActivityType, known_activity_type
from api import stream_tokens
from api.live_log import LiveLog
from api.probes import Probe
from api.problems import PreconditionFailed
from api.scrape import Scrape
from engine.pollers import Pollers
from missions.contracts import ActivityPreset
from missions.errors import InvalidInput
from missions.principals import Principal, PrincipalKind
from missions.recipes import RecipeStep
from settings import Settings
from store.account_rights import Standing
from store.database import Database
from store.wakeups import Waker

AccountMaker = Callable[[Standing, SecretStr], Awaitable[None]]
"""Makes or renews an agent's account with the rights that it has: (agent, password); raises PartUnavailable."""


@dataclass(frozen=True)
class Parts:
    """What the handlers work with; made in the app's lifespan."""

    settings: Settings
    database: Database
    waker: Waker
    token: str
    activity_types: Mapping[str, ActivityType]
    probes: Mapping[str, Probe]
    pollers: Pollers
    scrape: Scrape
    making_accounts: asyncio.Semaphore
    """Held while an account is made, so that a slow broker leaves connections to the database for all others."""
    live_log: LiveLog
    temporal_namespace: str = "default"
    account_maker: AccountMaker | None = None

    def resolve_preset(self, step: RecipeStep, timeout: float) -> ActivityPreset:
        """How a step's activity is run; raises InvalidInput for an unknown activity type."""
        return known_activity_type(step, self.activity_types).preset(step, timeout)


# Dependencies are async although they wait for nothing: the framework runs others in threads.
async def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]

bearer = HTTPBearer(
    auto_error=False,
    description="The token of `MUSTER_API_TOKEN`, or of the file `api-token` in the data folder, made at first start.",
)


CLIENT = Principal(kind=PrincipalKind.CLIENT, id="api")
"""One token, hence one client; users with roles get principals of their own in what returns this."""


async def _principal(
    parts: PartsDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    require_token(parts, credentials)
    return CLIENT


def require_token(parts: Parts, credentials: HTTPAuthorizationCredentials | None, *, or_else: str = "") -> None:
    """Raise the 401 unless the token is ours; `or_else`: what would do as well."""
    given = credentials.credentials if credentials is not None else ""
    if not secrets.compare_digest(given.encode(), parts.token.encode()):
        raise HTTPException(
            401,
            "no valid bearer token: send `Authorization: Bearer <token>` with the token of MUSTER_API_TOKEN,"
            f" or of the file `api-token` in Muster's data folder{or_else}",
            {"WWW-Authenticate": "Bearer"},
        )


PrincipalDep = Annotated[Principal, Depends(_principal)]


async def _stream_principal(
    request: Request,
    parts: PartsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    token = request.query_params.get("token")
    if token is not None and stream_tokens.is_valid(token, parts.token, time.time()):
        return CLIENT
    require_token(
        parts,
        credentials,
        or_else="; or, as `token` in the address, one of POST /api/v1/events/stream-tokens, not older than"
        f" {stream_tokens.SECONDS} s",
    )
    return CLIENT


StreamPrincipalDep = Annotated[Principal, Depends(_stream_principal)]
"""Who opens a live stream."""

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="the `ETag` you have seen; 412 if it changed since")
]


def etag(version: int) -> dict[str, str]:
    """The headers that carry a resource's version."""
    return {"ETag": f'"{version}"'}


def require_match(if_match: str | None, version: int) -> None:
    """Raise PreconditionFailed unless the client has seen this version, or does not say."""
    if if_match is None:
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")}
    if tags.isdisjoint({"*", str(version)}):
        raise PreconditionFailed(
            f"this is version {version} by now",
            field="If-Match",
            value=if_match,
            remedy="read it again, and decide on what it says now",
        )


def read_cursor(cursor: str | None) -> int | None:
    """The id in a cursor; raises InvalidInput for one that is not ours."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidInput(
            "this cursor is none of ours", field="cursor", value=cursor, remedy="send the `nextCursor` of a page"
        )
    return int(cursor)


def next_cursor(rows: Sequence[Any], limit: int, last_id: Callable[[Any], int]) -> str | None:
    """The cursor after a page for which `limit + 1` rows were read; None at the end."""
    return str(last_id(rows[limit - 1])) if len(rows) > limit else None
