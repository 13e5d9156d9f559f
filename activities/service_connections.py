"""How services are reached."""

import httpx

from settings import Settings


def services_client(settings: Settings) -> httpx.AsyncClient:
    """Each request has a connection of its own.

    One that was kept may be dead without a sign: a request over it would wait until its step's time is over, since a
    service may take all that time for its answer.
    """
    limits = httpx.Limits(max_connections=settings.max_concurrent_steps, max_keepalive_connections=0)
    return httpx.AsyncClient(limits=limits, timeout=settings.planner_request_timeout)
