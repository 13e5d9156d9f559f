"""The HTTP client of services: no call knows of another one."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx


def service_client(*, max_connections: int = 100, timeout: float = 5.0) -> httpx.AsyncClient:
    """A client that keeps no cookies and no connections. `timeout`: seconds, where a call says nothing else.

    A connection that was kept may be dead without a sign, and a call over it would wait until its step's time is over.
    Bytes that a service sends after its answer would be the answer to the next call on that connection, which is of
    another mission; cookies would pile up, and go to the services of others on that host.
    """
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=0),
        timeout=timeout,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
