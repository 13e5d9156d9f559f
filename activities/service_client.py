"""The HTTP client of services: no call knows of another one."""

import socket
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

# A call may wait for hours. If the service's machine is gone meanwhile, or the network between, the call fails within
# half a minute and can be made again; what forgets connections that are silent (NAT) hears from this one.
_FOUND_DEAD = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 25_000}


def service_client(*, max_connections: int = 100, timeout: float = 5.0) -> httpx.AsyncClient:
    """A client that keeps no cookies and no connections. `timeout`: seconds, where a call says nothing else.

    A connection that was kept may be dead without a sign, and a call over it would wait until its step's time is over.
    Bytes that a service sends after its answer would be the answer to the next call on that connection, which is of
    another mission; cookies would pile up, and go to the services of others on that host.
    """
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=0)
    return httpx.AsyncClient(
        limits=limits,
        timeout=timeout,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # As its `transport` it would put the proxies of the environment out of force.
        mounts={"all://": httpx.AsyncHTTPTransport(limits=limits, socket_options=_watched())},
    )


def _watched() -> list[tuple[int, int, int]]:
    known = ((getattr(socket, name), value) for name, value in _FOUND_DEAD.items() if hasattr(socket, name))
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, key, value) for key, value in known)]
