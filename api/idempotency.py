"""Creations that may be sent twice: with an `Idempotency-Key` the second answers what the first has made."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from api.deps import PrincipalDep
from missions.principals import Principal
from store import idempotency
from store.connection import Connection

MADE_BEFORE: dict[int | str, dict[str, Any]] = {200: {"description": "made before, with the same `Idempotency-Key`"}}
"""The response of a route to a creation that is sent again, for OpenAPI."""


class Creation:
    """One POST that makes something. Without a key each is a new one."""

    def __init__(self, principal: Principal, path: str, response: Response, key: str | None) -> None:
        self._principal, self._path, self._response, self._key = principal, path, response, key
        self._fingerprint = ""

    async def made_before(self, connection: Connection, body: BaseModel) -> tuple[int, ...] | None:
        """The ids of what this request made before, which is answered with status 200; None: it is new.

        Raises InvalidInput if its key was used for another request.
        """
        if self._key is None:
            return None
        self._fingerprint = _fingerprint(self._path, body)
        made = await idempotency.claim(connection, self._principal, self._key, self._fingerprint)
        if made is not None:
            self._response.status_code = 200
        return made

    async def remember(self, connection: Connection, *made: int) -> None:
        """Note what it made, in the same transaction."""
        if self._key is not None:
            await idempotency.remember(connection, self._principal, self._key, self._fingerprint, *made)

    async def lock(self, connection: Connection) -> None:
        """Let nobody else with this key go on until the transaction ends."""
        if self._key is not None:
            await idempotency.lock(connection, self._principal, self._key)

    async def forget(self, connection: Connection) -> None:
        """What it made was taken back, in the same transaction: sent again, it is a new one."""
        if self._key is not None:
            await idempotency.forget(connection, self._principal, self._key)


def _creation(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="any text of your own: sent twice, it makes one",
        ),
    ] = None,
) -> Creation:
    return Creation(principal, request.url.path, response, key)


CreationDep = Annotated[Creation, Depends(_creation)]


def _fingerprint(path: str, body: BaseModel) -> str:
    """What was asked for, whatever the spacing and order of keys; secrets are left out."""
    canonical = json.dumps([path, body.model_dump(mode="json", exclude_unset=True)], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
