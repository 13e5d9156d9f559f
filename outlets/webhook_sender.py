"""One signed POST to a webhook, to no address that is not allowed.

A host is resolved here, its addresses are checked, and one of those is connected to: what its name says a moment later
changes nothing. The certificate and the `Host` header are still those of the name. Redirections are not followed.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import httpcore
import httpx

from missions.addresses import Address, AddressPolicy, check_url, malformed, not_allowed
from missions.errors import InvalidInput
from missions.events import Event, utc_now
from missions.webhook_schedule import Outcome, read_retry_after
from missions.webhook_signatures import signed_headers
from settings import Settings

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""The addresses of a host; raises OSError."""

MAX_BODY = 1024 * 1024
_MOST_READ = 64 * 1024
_SHOWN = 200  # characters of an answer
_FOR_THE_REST = 2.0  # seconds: the status has said all; the rest is only shown
_KEPT_OPEN = 100


class NotAllowed(Exception):
    """The host has no address that may be connected to."""


def policy_of(settings: Settings) -> AddressPolicy:
    """Where webhooks may be sent."""
    return AddressPolicy(settings.webhook_allow_private, settings.webhook_allow_http, settings.webhook_allowed_networks)


_MOST_ASKED = 256
_asked = threading.Semaphore(_MOST_ASKED)


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, as this machine knows them; raises OSError.

    In a thread of its own: names that hang hold up no others, and not the end of the process.
    """
    if not _asked.acquire(blocking=False):
        raise OSError(f"{_MOST_ASKED} other names are asked for, and hang")
    found: asyncio.Future[list[Address]] = asyncio.get_running_loop().create_future()
    threading.Thread(target=_ask, args=(host, port, found), daemon=True, name=f"addresses of {host}").start()
    return await found


def _ask(host: str, port: int, found: asyncio.Future[list[Address]]) -> None:
    answer: list[Address] | Exception
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer = list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries))
    except Exception as error:
        answer = error
    finally:
        _asked.release()
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        found.get_loop().call_soon_threadsafe(_answer, found, answer)


def _answer(found: asyncio.Future[list[Address]], answer: list[Address] | Exception) -> None:
    if found.done():  # nobody waits any more
        return
    if isinstance(answer, Exception):
        found.set_exception(answer)
    else:
        found.set_result(answer)


class _Names:
    """Asks for a name once at a time, however many requests wait for it."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._asked: dict[tuple[str, int], asyncio.Task[Sequence[Address]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host; raises OSError."""
        name = (host, port)
        if name not in self._asked:
            self._asked[name] = asyncio.create_task(self._ask(host, port))
        return await asyncio.shield(self._asked[name])  # others wait for it too

    async def _ask(self, host: str, port: int) -> Sequence[Address]:
        try:
            return await self._resolve(host, port)
        finally:
            del self._asked[host, port]


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to allowed addresses only."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve) -> None:
        self._policy, self._names = policy, _Names(resolve)
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that is allowed and answers."""
        addresses = await self._names.addresses(host, port)
        allowed = [address for address in addresses if self._policy.allows(address)]
        if not allowed:
            raise NotAllowed(not_allowed(host, addresses))
        for address in allowed[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(str(allowed[-1]), port, timeout, local_address, socket_options)


class WebhookSender:
    """Sends messages; keeps connections open for the next ones."""

    def __init__(self, settings: Settings, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool, self._timeout, self._policy = pool, settings.webhook_timeout, policy_of(settings)

    async def send(self, url: str, keys: Sequence[str], event: Event, timeout: float | None = None) -> Outcome:
        """POST an event as spec 4's envelope, signed with each secret; never raises for what the receiver does."""
        at, begun = utc_now(), time.monotonic()
        status: int | None = None
        error: str | None = None
        answer, asked = "", None
        body = body_of(event)
        headers = [
            ("content-type", "application/json"),
            ("user-agent", "Muster-Webhooks/1"),
            *signed_headers(event.id, int(at.timestamp()), body, keys).items(),
        ]
        try:
            where = checked_url(url, self._policy)  # the settings may have changed since it was stored
            async with asyncio.timeout(timeout or self._timeout):
                async with self._pool.stream("POST", where, headers=headers, content=body) as response:
                    status = response.status
                    asked = read_retry_after(_header(response, b"retry-after"), at)
                    answer = await _beginning(response)
        except TimeoutError:
            error = f"no answer within {timeout or self._timeout:g} s"
        except (InvalidInput, NotAllowed) as refused:
            error = str(refused)
        except Exception as failed:
            # Of the network, of TLS, of HTTP: whatever it is, it may not stop what goes to others.
            error = f"{type(failed).__name__}: {failed}"
        if status is not None:
            # It has answered; what broke off afterwards was only to be shown.
            error = None if 200 <= status < 300 else f"answered HTTP {status}"
        duration = round((time.monotonic() - begun) * 1000, 1)
        return Outcome(at, duration, status, error and error[:1000].replace("\x00", ""), answer, asked)


def body_of(event: Event) -> bytes:
    """The bytes that are signed and sent."""
    return event.model_dump_json().encode()


@asynccontextmanager
async def sending(settings: Settings, resolve: Resolve = resolve) -> AsyncIterator[WebhookSender]:
    """A sender; `resolve`: instead of this machine's."""
    pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=None,  # bounded for each webhook, so that none takes another one's
        max_keepalive_connections=_KEPT_OPEN,
        keepalive_expiry=30,
        network_backend=_CheckedNetwork(policy_of(settings), resolve),
    )
    async with pool:
        yield WebhookSender(settings, pool)


def checked_url(url: str, policy: AddressPolicy) -> httpcore.URL:
    """Read the address of a webhook; raises InvalidInput for what is none, or one that is not allowed."""
    try:
        read = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise malformed(url, error) from None
    check_url(url, read.scheme, read.raw_host.decode(), read.port, policy)
    return httpcore.URL(scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path)


def _header(response: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), None)


async def _beginning(response: httpcore.Response) -> str:
    """The first characters of the answer; little of it is read, and not for long."""
    read = bytearray()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FOR_THE_REST):
            async for part in response.aiter_stream():
                read += part
                if len(read) > _MOST_READ:
                    break
    return bytes(read[: _SHOWN * 4]).decode(errors="replace").replace("\x00", "")[:_SHOWN]
