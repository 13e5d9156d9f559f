"""Asks the parts that this process needs whether they answer, however many ask us."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from engine.client import connect
from settings import Settings
from store.database import Database
from store.rows import ping

_SECONDS = 3.0
# Anybody may ask, without a token. So an answer serves everybody for this long, and a flood of questions is no load.
_KEPT = 2.0

_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, section 4.2.2
_METHOD_FRAME = b"\x01"


class Probe:
    """One part's check; those who ask at the same time share one answer."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._lock = asyncio.Lock()
        self._trouble: str | None = None
        self._fresh_until = 0.0

    async def trouble(self) -> str | None:
        """What is wrong with the part, or None; at most `_KEPT` seconds old."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._trouble = await self._ask()
                self._fresh_until = time.monotonic() + _KEPT
            return self._trouble

    async def _ask(self) -> str | None:
        # Not wait_for, which waits for the cancelled check too: with a frozen server that may take for ever.
        task = asyncio.ensure_future(self._check())
        try:
            await asyncio.wait({task}, timeout=_SECONDS)
        finally:
            task.cancel()
        if not task.done():
            return f"no answer within {_SECONDS:g} s"
        error = task.exception()
        # The kind of error only: its text may hold addresses and logins.
        return f"does not answer ({type(error.__cause__ or error).__name__})" if error is not None else None


async def make_probes(settings: Settings, database: Database) -> Mapping[str, Probe]:
    """The parts of this process by name; asks none of them yet."""
    client = await connect(settings, lazy=True)

    async def ask_database() -> None:
        async with database.transaction() as connection:
            await ping(connection)

    async def ask_temporal() -> None:
        if not await client.service_client.check_health():
            raise ConnectionError("not serving")

    async def ask_broker() -> None:
        await greet(settings.amqp_url)

    return {"database": Probe(ask_database), "temporal": Probe(ask_temporal), "rabbitmq": Probe(ask_broker)}


async def greet(amqp_url: str) -> None:
    """Say the first word of AMQP to a broker and hear its first; raises OSError or EOFError. Needs no login."""
    url = urlsplit(amqp_url)
    if not url.hostname:
        raise ConnectionError("MUSTER_AMQP_URL is not set")
    tls = _unverified() if url.scheme == "amqps" else None
    reader, writer = await asyncio.open_connection(url.hostname, url.port or (5671 if tls else 5672), ssl=tls)
    try:
        writer.write(_AMQP_HEADER)
        if await reader.readexactly(1) != _METHOD_FRAME:
            raise ConnectionError("no AMQP 0-9-1")
    finally:
        writer.close()


def _unverified() -> ssl.SSLContext:
    # Nothing secret is said; that the certificate is right is for those who log in.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
