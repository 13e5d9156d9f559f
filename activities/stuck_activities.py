"""Tells of activities that fail again and again: they are tried until they succeed, so nobody else would.

An activity that succeeds at its first tries pays nothing: it is told by the number of the try alone.
"""

import asyncio
import logging
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from missions.errors import NotFound
from store import attention
from store.database import Database

logger = logging.getLogger(__name__)

PATIENCE = 8
"""The try from which a failure is told; about 16 s after the first, for parts restart."""

# What is left of a try's time when it is given up here, so that a try that hangs is told as well.
_HANGS_AFTER = 0.9


class StuckActivities(Interceptor):
    """Raises attention on a mission whose activity is stuck, and takes it back when it succeeds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """The engine's hook."""
        return _Watched(next, self._database)


class _Watched(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, database: Database) -> None:
        super().__init__(next)
        self._database = database

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        mission = getattr(input.args[0], "work_process_id", None) if input.args else None
        if info.attempt < PATIENCE or mission is None:
            return await self.next.execute_activity(input)
        result = await (self._telling(input, mission) if _tells(info.attempt) else self.next.execute_activity(input))
        # Before the engine hears of the success: whoever dies in between tries again.
        if info.attempt > PATIENCE:
            async with self._database.transaction() as connection:
                await attention.activity_succeeds(connection, mission, info.activity_id)
        return result

    async def _telling(self, input: ExecuteActivityInput, mission: int) -> Any:
        limit = activity.info().start_to_close_timeout
        try:
            async with asyncio.timeout(None if limit is None else limit.total_seconds() * _HANGS_AFTER):
                return await self.next.execute_activity(input)
        except Exception as error:
            if _tried_on(error):
                await self._tell(mission, error)
            raise

    async def _tell(self, mission: int, error: Exception) -> None:
        info = activity.info()
        said = "it does not end in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        words = f"the activity {info.activity_type} fails again and again, and is tried on: {said[:300]}"
        try:
            async with self._database.transaction() as connection:
                await attention.activity_fails(connection, mission, info.activity_id, words)
        except NotFound:
            return
        except Exception:  # the part that is away may be the database: a later try tells it
            logger.warning("work process %s: %s", mission, words, exc_info=True)


def _tried_on(error: Exception) -> bool:
    policy = activity.info().retry_policy
    return policy is None or type(error).__name__ not in (policy.non_retryable_error_types or ())


def _tells(attempt: int) -> bool:
    """At the eighth try, the 16th, the 32nd …: the error's words may change each time, and each is an event."""
    return attempt >= PATIENCE and attempt & (attempt - 1) == 0
