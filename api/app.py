"""The HTTP application: routes, errors, limits, and the parts that the handlers work with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse
from temporalio.envconfig import ClientConfig

from activities.registry import activity_types
from api import health, metrics, problems
from api.body_limit import BodyLimit
from api.deadline import Deadline
from api.deps import AccountMaker, Parts
from api.live_log import LiveLog
from api.probes import make_probes
from api.query_names import refuse_unknown_query
from api.routes import ROUTERS
from api.scrape import Scrape
from api.token import ensure_token
from engine.client import connect
from engine.pollers import Pollers
from engine.waker import connect_waker
from settings import Settings
from store.database import Database
from store.wakeups import Waker

DESCRIPTION = """
Durable missions for fleets of agents.

A **work process** is a mission: it names a **recipe** (its type), a **yard** and **agents**. Write it as a `draft`, or
`dispatched` to run it; cancel it with the status `canceling`. Every other status is written by the mission itself.

Send `Authorization: Bearer <token>` with every request. Errors are problem+json (RFC 9457): field, value and remedy.
"""

TAGS = [
    {"name": "work processes", "description": "Missions: create, follow, cancel."},
    {"name": "mission queues", "description": "Missions one after the other: run, pause, stop, cancel."},
    {"name": "mission files", "description": "Mission files of platforms: check one, the schema of their format."},
    {"name": "queue", "description": "What waits, for agents or for a slot, in its order; how many may run at once."},
    {
        "name": "events",
        "description": "What happened: history, live streams, the types of events with their schemas.",
    },
    {"name": "agents", "description": "Who does the work."},
    {"name": "platforms", "description": "Agents that carry instruments: their states and commands."},
    {"name": "recipes", "description": "The types of missions: which steps, in which order."},
    {"name": "services", "description": "The microservices that recipes call."},
    {"name": "yards", "description": "Where agents work, with their maps."},
    {"name": "webhooks", "description": "Addresses that get events, signed."},
    {"name": "activity types", "description": "What a step of a recipe may use."},
    {"name": "workers", "description": "The processes that run the missions."},
    {"name": "health", "description": "For probes, without a token; and metrics, with it."},
]


_ANSWERS_WITHIN = 5.0


def create_app(settings: Settings, *, waker: Waker | None = None, account_maker: AccountMaker | None = None) -> FastAPI:
    """Make the application; `waker`: instead of the engine's own. Migrations run before it (api/__main__.py)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _parts(settings, waker, account_maker) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Muster",
        description=DESCRIPTION,
        version="1",
        openapi_tags=TAGS,
        lifespan=lifespan,
        # Separate schemas for input and output would give every model two names.
        separate_input_output_schemas=False,
    )
    problems.install(app)
    app.add_api_route("/", _to_the_description, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(metrics.router)
    for router in ROUTERS:
        app.include_router(router, prefix="/api/v1", dependencies=[Depends(refuse_unknown_query)])
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    # Longer than the wait for a connection, so that this one tells of itself first.
    app.add_middleware(
        Deadline, seconds=settings.database_pool_timeout + 3, upload_seconds=settings.request_read_timeout
    )
    return app


async def _to_the_description() -> RedirectResponse:
    return RedirectResponse("/docs")


@asynccontextmanager
async def _own_waker(settings: Settings, database: Database) -> AsyncIterator[Waker]:
    waker = await connect_waker(settings, database)
    try:
        yield waker
    finally:
        await waker.close()


@asynccontextmanager
async def _given(waker: Waker) -> AsyncIterator[Waker]:
    yield waker


@asynccontextmanager
async def _parts(settings: Settings, waker: Waker | None, account_maker: AccountMaker | None) -> AsyncIterator[Parts]:
    # A client hears from us that the database does not answer, not from the deadline of its request.
    database = Database(settings, answers_within=_ANSWERS_WITHIN)
    live_log = LiveLog(database, max_readers=settings.max_streams)
    chosen: AbstractAsyncContextManager[Waker] = _own_waker(settings, database) if waker is None else _given(waker)
    try:
        async with chosen as running:
            yield Parts(
                settings=settings,
                database=database,
                waker=running,
                token=ensure_token(settings),
                activity_types=activity_types(),
                live_log=live_log,
                probes=await make_probes(settings, database),
                pollers=Pollers(await connect(settings, lazy=True)),
                scrape=Scrape(database),
                temporal_namespace=ClientConfig.load_client_connect_config().get("namespace", "default"),
                account_maker=account_maker,
                making_accounts=asyncio.Semaphore(max(1, settings.database_pool_size // 4)),
            )
    finally:
        await live_log.close()
        await database.close()
