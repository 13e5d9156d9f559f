"""Asks services whether they are well: before a step needs one, and now and then, so that operators see it."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
from temporalio.exceptions import ApplicationError

from activities.answer_bodies import first_bytes
from activities.heartbeats import beating
from missions.errors import Failure, FailureCode, PartUnavailable, PlanningFailed
from missions.events import utc_now
from missions.service_health import Health, HealthTarget
from settings import Settings
from store import service_health
from store.database import Database

logger = logging.getLogger(__name__)

_TIMEOUT = 5.0
# How long an answer counts, in seconds: for all steps of this worker, so that many that wait ask as often as one.
_HEALTHY_FOR = 5.0
_UNHEALTHY_FOR = 0.1
_WITHOUT_SLOT = 5.0


class ServiceHealth:
    """What this worker knows of the health of services."""

    def __init__(self, settings: Settings, database: Database, http: httpx.AsyncClient) -> None:
        self._settings, self._database, self._http = settings, database, http
        self._heard: dict[HealthTarget, tuple[float, Health]] = {}
        self._asking: defaultdict[HealthTarget, asyncio.Lock] = defaultdict(asyncio.Lock)
        # The rest of the slots is for steps of services that are well.
        self._waiting, self._room = 0, max(1, settings.max_concurrent_steps // 2)

    def known_healthy(self, target: HealthTarget) -> bool:
        """Whether it said so a moment ago."""
        known = self._known(target)
        return known is not None and known.healthy

    async def check(self, target: HealthTarget, api_key: str | None) -> Health:
        """Ask a service, unless somebody just did; what it answers is stored."""
        async with self._asking[target]:
            known = self._known(target)
            if known is not None:
                return known
            health = await self._ask(target.url, api_key if target.at_the_service else None)
            self._heard[target] = (time.monotonic(), health)
            async with self._database.transaction() as connection:
                await service_health.note(connection, target, health)
            return health

    async def until_healthy(
        self,
        target: HealthTarget,
        api_key: str | None,
        *,
        step: str,
        within: float,
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        """Return once the service is healthy; `tell` is called with each new answer until then.

        Raises PlanningFailed after `within` seconds; ApplicationError if half of this worker's slots wait already: the
        engine tries again later, and the step waits without a slot.
        """
        deadline = time.monotonic() + within
        pause, told = self._settings.planner_poll_initial, ""
        async with beating():
            while not (health := await self.check(target, api_key)).healthy:
                if health.text != told:
                    await tell(health.text)
                    told = health.text
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _never_healthy(target, step, health)
                if self._waiting >= self._room:
                    raise ApplicationError(
                        f"step {step!r}: the service at {target.service_url} is not healthy; waits",
                        type="ServiceUnhealthy",
                        next_retry_delay=timedelta(seconds=min(_WITHOUT_SLOT, left)),
                    )
                self._waiting += 1
                try:
                    await asyncio.sleep(min(pause, left))
                finally:
                    self._waiting -= 1
                pause = min(pause * 1.5, self._settings.planner_poll_max)

    def _known(self, target: HealthTarget) -> Health | None:
        at, health = self._heard.get(target, (0.0, None))
        if health is None:
            return None
        lasts = min(_HEALTHY_FOR, self._settings.health_check_interval) if health.healthy else _UNHEALTHY_FOR
        return health if time.monotonic() - at < lasts else None

    async def _ask(self, url: str, api_key: str | None) -> Health:
        headers = {"Accept-Encoding": "identity", **({"x-api-key": api_key} if api_key else {})}
        try:
            async with asyncio.timeout(_TIMEOUT), self._http.stream("GET", url, headers=headers) as response:
                if response.is_success:
                    return Health(True, f"answered HTTP {response.status_code}", utc_now())
                said = await first_bytes(response, 300)
        except TimeoutError:
            return Health(False, f"gave no answer within {_TIMEOUT:g} s", utc_now())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Health(False, f"did not answer ({type(error).__name__}: {error})", utc_now())
        words = said.decode(errors="replace").replace("\0", "?").strip()
        return Health(False, f"answered HTTP {response.status_code}{': ' if words else ''}{words}", utc_now())


def _never_healthy(target: HealthTarget, step: str, health: Health) -> PlanningFailed:
    return PlanningFailed(
        Failure(
            code=FailureCode.PLANNING_FAILED,
            step=step,
            url=target.service_url,
            text=f"step {step!r}: the service at {target.service_url} was not healthy within its availabilityTimeout:"
            f" {target.url} {health.text}",
        )
    )


class ServiceWatch:
    """Asks all services that have a health endpoint, also while no mission needs them. Any number may run at once."""

    def __init__(self, settings: Settings, database: Database, health: ServiceHealth) -> None:
        self._interval = settings.health_check_interval
        self._database, self._health = database, health
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._watch(), name="relay: health of services")

    async def stop(self) -> None:
        """Stop the loop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            try:
                async with self._database.transaction() as connection:
                    targets = await service_health.due(connection, timedelta(seconds=self._interval))
                await asyncio.gather(*(self._health.check(target, api_key) for target, api_key in targets))
            except PartUnavailable as error:
                logger.warning("health of services waits: %s", error)
            except Exception:
                # A loop that ended would stay unnoticed, and what is shown would grow old.
                logger.exception("health of services failed; it goes on")
            # New services are looked at soon, whatever the interval is.
            await asyncio.sleep(min(self._interval, 5.0))
