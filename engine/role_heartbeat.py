"""Says that this worker process lives, for `GET /api/v1/workers`."""

import contextlib
import os
import secrets
import socket
from collections.abc import Sequence

from missions.errors import PartUnavailable
from store import role_heartbeats
from store.database import Database
from store.loops import Loop


def new_identity() -> str:
    """What this process is called, at Temporal too; pid and host alone are those of another after a restart."""
    return f"muster-{os.getpid()}@{socket.gethostname()}-{secrets.token_hex(3)}"


class RoleHeartbeat(Loop):
    """The heartbeat of one process."""

    def __init__(self, database: Database, identity: str, roles: Sequence[str], version: str) -> None:
        super().__init__("heartbeat of this worker", pause=role_heartbeats.INTERVAL)
        self._database = database
        self._identity = identity
        self._roles = roles
        self._version = version

    async def stop(self) -> None:
        """End, and take leave."""
        await super().stop()
        with contextlib.suppress(PartUnavailable):
            async with self._database.statement() as connection:
                await role_heartbeats.stopped(connection, self._identity)

    async def _turn(self) -> None:
        async with self._database.statement() as connection:
            await role_heartbeats.beat(
                connection,
                self._identity,
                roles=self._roles,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=self._version,
            )
