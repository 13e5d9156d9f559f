"""Says that this worker process lives, for `GET /api/v1/workers`."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Sequence

from missions.errors import PartUnavailable
from store import role_heartbeats
from store.database import Database

log = logging.getLogger(__name__)


def new_identity() -> str:
    """What this process is called, at Temporal too; pid and host alone are those of another after a restart."""
    return f"muster-{os.getpid()}@{socket.gethostname()}-{secrets.token_hex(3)}"


class RoleHeartbeat:
    """The heartbeat of one process."""

    def __init__(self, database: Database, identity: str, roles: Sequence[str], version: str) -> None:
        self._database = database
        self._identity = identity
        self._roles = roles
        self._version = version
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._beat(), name="heartbeat of this worker")

    async def stop(self) -> None:
        """End, and take leave."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(PartUnavailable):
            async with self._database.statement() as connection:
                await role_heartbeats.stopped(connection, self._identity)

    async def _beat(self) -> None:
        while True:
            try:
                async with self._database.statement() as connection:
                    await role_heartbeats.beat(
                        connection,
                        self._identity,
                        roles=self._roles,
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        version=self._version,
                    )
            except PartUnavailable as error:
                log.warning("no heartbeat: %s", error)
            await asyncio.sleep(role_heartbeats.INTERVAL)
