"""Says that this worker process lives, and what of it still waits, for `GET /api/v1/workers`."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence

from missions.errors import PartUnavailable
from store import role_heartbeats
from store.database import Database
from store.loops import Loop


def new_identity() -> str:
    """What this process is called, at Temporal too; pid and host alone are those of another after a restart."""
    return f"muster-{os.getpid()}@{socket.gethostname()}-{secrets.token_hex(3)}"


class RoleHeartbeat(Loop):
    """The heartbeat of one process; `waits` says which of its roles have not begun yet, and why."""

    def __init__(
        self,
        database: Database,
        identity: str,
        roles: Sequence[str],
        version: str,
        waits: Callable[[], Mapping[str, str]],
    ) -> None:
        super().__init__("heartbeat of this worker")
        self._database = database
        self._identity = identity
        self._roles = roles
        self._version = version
        self._waits = waits
        self._news = asyncio.Event()

    def soon(self) -> None:
        """Beat at once: something has changed."""
        self._news.set()

    async def stop(self) -> None:
        """End, and take leave."""
        await super().stop()
        with contextlib.suppress(PartUnavailable):
            async with self._database.statement() as connection:
                await role_heartbeats.stopped(connection, self._identity)

    async def _turn(self) -> None:
        while True:
            self._news.clear()
            async with self._database.statement() as connection:
                await role_heartbeats.beat(
                    connection,
                    self._identity,
                    roles=self._roles,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    version=self._version,
                    waits=self._waits(),
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(role_heartbeats.INTERVAL):
                    await self._news.wait()
