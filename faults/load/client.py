"""A client of the API that never gives up, and notes how it was treated."""

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from faults.stage.stage import TOKEN

LONGEST = 10.0
"""Seconds: an API that takes longer hangs."""
_AGAIN = 0.3


@dataclass
class Treatment:
    """How the API treated its clients."""

    answers: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    """Connections that nobody took, or that broke, while the API itself was dead."""
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Client:
    """Asks until there is an answer; a creation has a key, so that it is done once."""

    def __init__(self, url: str) -> None:
        self.treatment = Treatment()
        self.nobody_is_there = False
        """The API is dead, or about to be: a connection may be refused, or break."""
        self._http = _http(url, httpx.Limits(max_connections=200, keepalive_expiry=2))
        self._fresh = _http(url, httpx.Limits(max_connections=200, max_keepalive_connections=0))

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()
        await self._fresh.aclose()

    async def post(self, path: str, body: Any, *, fine: tuple[int, ...] = ()) -> dict[str, Any]:
        """POST until it is taken, with one key for all tries; answers in `fine` are given back as they are."""
        return await self.ask("POST", path, json=body, headers={"Idempotency-Key": secrets.token_hex(16)}, fine=fine)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET until there is an answer."""
        return await self.ask("GET", path, params=params)

    async def patch(self, path: str, body: Any) -> dict[str, Any]:
        """PATCH until it is taken."""
        return await self.ask("PATCH", path, json=body)

    async def ask(self, method: str, path: str, *, fine: tuple[int, ...] = (), **request: Any) -> dict[str, Any]:
        """Raises RuntimeError for an answer that another try cannot change."""
        while True:
            response = await self.once(method, path, **request)
            if response is not None:
                if response.is_success or response.status_code in fine:
                    return {"status_code": response.status_code, **response.json()}
                if response.status_code not in (503, 429):
                    raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:500]}")
            await asyncio.sleep(_AGAIN)

    async def once(self, method: str, path: str, *, kept: bool = True, **request: Any) -> httpx.Response | None:
        """The answer to one request, whatever it is, which is judged; None if there is none.

        `kept`: over a connection that was used before, which the server may close at this moment; else over a new one.
        """
        began, may_be_refused = time.monotonic(), self.nobody_is_there
        try:
            try:
                response = await (self._http if kept else self._fresh).request(method, path, **request)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                if not kept:
                    raise
                response = await self._fresh.request(method, path, **request)
        except httpx.TimeoutException:
            self.treatment.wrong.append(f"{method} {path} was not answered within {LONGEST + 5:g} s")
            return None
        except httpx.TransportError as error:
            if may_be_refused or self.nobody_is_there:
                self.treatment.refused += 1
            else:
                self.treatment.wrong.append(f"{method} {path}: nobody was there: {error!r}")
            return None
        took = time.monotonic() - began
        self.treatment.slowest = max(self.treatment.slowest, took)
        self.treatment.answers[response.status_code] += 1
        if took > LONGEST:
            self.treatment.wrong.append(f"{method} {path} took {took:.1f} s")
        if response.status_code >= 500 and not _says_why(response):
            self.treatment.wrong.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return response


def _http(url: str, limits: httpx.Limits) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{url}/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=LONGEST + 5,
        limits=limits,
    )


def _says_why(response: httpx.Response) -> bool:
    """Whether it is a 503 with a reason."""
    if response.status_code != 503:
        return False
    try:
        return bool(response.json().get("detail"))
    except ValueError:
        return False
