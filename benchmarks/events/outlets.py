"""All outlets on, or all off: the relay in a process of its own, with readers, or without."""

import contextlib
import sys
from collections.abc import AsyncIterator

from benchmarks.child import ROOT, Child
from benchmarks.stage import Stage

_READERS = 5
_ENDS = ("task.completed", "task.failed", "task.cancelled")
_OFF = {"MUSTER_EVENTS_EXCHANGE": ""}
_RELAY, _MISSIONS = "relay", "missions"


class Outlets:
    """Switches the outlets of a stage between two rounds."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._webhook = 0

    async def take_over(self) -> None:
        """End the stage's worker, which does everything, and start one that does all but the relay's work."""
        stack = self._stage.stack
        await stack.processes.stop("worker")
        await self._start(_MISSIONS, ["missions", "intake"], {})

    @contextlib.asynccontextmanager
    async def off(self) -> AsyncIterator[None]:
        """The log alone: no exchange, no stream with readers, no webhook."""
        await self._start(_RELAY, ["relay"], _OFF)
        try:
            yield
        finally:
            await self._stage.stack.processes.stop(_RELAY)

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """The exchange with a consumer of `task.#`, the stream with readers, a webhook for each mission's end."""
        await self._start(_RELAY, ["relay"], {})
        stage, stack = self._stage, self._stage.stack
        try:
            await self._stage.missions.delivered("exchange")  # what it missed while it was off is not this round's
            async with contextlib.AsyncExitStack() as exits:
                receiver = await exits.enter_async_context(self.child("webhook_receiver"))
                _, port = await receiver.first("listening")
                webhook = await stage.missions.make_webhook(f"http://127.0.0.1:{port}/", list(_ENDS))
                exits.push_async_callback(stage.missions.drop_webhook, webhook)
                consumer = await exits.enter_async_context(self.child("queue_reader", "0", "muster.events", "task.#"))
                await consumer.first("listening")
                readers = await exits.enter_async_context(
                    self.child("stream_readers", str(_READERS), "0", stack.api_url, stage.token, "type=task.*")
                )
                await readers.first("listening")
                yield
        finally:
            await stack.processes.stop(_RELAY)

    def child(self, module: str, *options: str) -> Child:
        """One of this package's processes."""
        stack = self._stage.stack
        return Child(
            f"benchmarks.events.{module}",
            *options,
            env=stack.environment(),
            log=stack.data_dir / "logs" / f"benchmark-{module}.log",
        )

    async def _start(self, name: str, roles: list[str], env: dict[str, str]) -> None:
        options = [word for role in roles for word in ("--role", role)]
        stack = self._stage.stack
        await stack.processes.spawn(
            name, [sys.executable, "-m", "worker", *options], env={**stack.environment(), **env}, cwd=ROOT, grace=30
        )
        await self._stage.missions.roles_are_had(roles)  # a start costs a second, which is no round's
