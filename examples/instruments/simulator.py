"""Simulated devices as agents on plain AMQP, many on one event loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from examples.instruments.conversation import Conversation, Device, Sent
from examples.instruments.ctd import Ctd
from examples.instruments.hd_camera import HdCamera
from examples.instruments.instrument import Instrument, State
from examples.instruments.platform import Platform
from examples.thin_agent import CheckIn, ThinAgent, state
from settings import Settings


class Kind(StrEnum):
    """What can be simulated."""

    CTD = "ctd"
    CAMERA = "camera"
    PLATFORM = "platform"


_AGAIN = 1.0
"""Seconds between two tries to connect again."""
INSTRUMENTS: Mapping[str, type[Instrument]] = {Kind.CTD: Ctd, Kind.CAMERA: HdCamera}


class Simulated:
    """A device on the broker, and the handle of whoever runs it."""

    def __init__(
        self, settings: Settings, yard: str, uuid: str, device: Device, *, sampling: float, time_scale: float
    ) -> None:
        """`sampling`: seconds between two messages of measured values while it streams; 0: none."""
        self._settings, self._yard, self._sampling = settings, yard, sampling
        self.uuid, self.device = uuid, device
        self.conversation = Conversation(device, self._Voice(self), time_scale=time_scale)
        self.on_connection: Callable[[str], None] = lambda what: None
        """Is told when the connection is `lost`, why it is not made anew yet, and when it is there `again`."""
        self._agent = ThinAgent(settings, uuid, self._hear)
        self._connected = asyncio.Event()
        self._saying: asyncio.Queue[tuple[str, str, dict[str, Any]] | bool] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()

    # --- for whoever runs it

    @property
    def state(self) -> str | None:
        """The state of the device; a platform has none."""
        return self.device.state

    async def set_state(self, state: str) -> None:
        """Put the instrument into a state, as someone beside it would, and have it say so."""
        assert isinstance(self.device, Instrument)
        self.device.state = State(state)
        self.conversation.say_state()
        await self.said()

    @property
    def commands(self) -> list[Sent]:
        """What it was sent, in order; what comes twice is in it twice."""
        return self.conversation.commands

    @property
    def canceled(self) -> list[int]:
        """The assignments that it was told to cancel, in order."""
        return self.conversation.canceled

    @property
    def mission(self) -> int | None:
        """The mission that it is reserved for."""
        return self.conversation.mission

    def inject(self, kind: str, command: str = "", nth: int = 0, **more: float | str) -> None:
        """From now on, let go wrong: `fail`, `late`, `never`, `twice`, `ignore_cancel`; see `faults.py`.

        Of every command; of those named `command`; of the `nth` of these, counted from now.
        """
        self.conversation.faults.add(kind, command, nth, **more)

    def well(self) -> None:
        """No faults from now on."""
        self.conversation.faults.clear()

    async def deaf(self, is_deaf: bool = True) -> None:
        """Hear nothing: the broker has no queue for it; or hear again. Returns when it is so."""
        self._saying.put_nowait(not is_deaf)
        await self.said()

    async def emit(self, event_id: str, value: Any = None, **more: Any) -> None:
        """Tell an event. Returns when it is on its way."""
        self.conversation.emit(event_id, value, **more)
        await self.said()

    async def profile(self, time_scale: float | None = None) -> None:
        """Begin a profile of a profiler, whose events come each in its time."""
        self.conversation.profile(time_scale)

    async def said(self) -> None:
        """Wait until all is on its way that it has said so far."""
        await self._saying.join()

    # --- its life

    async def start(self, check_in: CheckIn) -> None:
        """Check in, listen, and be free; the same again on a new connection whenever this one is lost."""
        await self._enter(check_in)
        self._tasks += [asyncio.ensure_future(self._say()), asyncio.ensure_future(self._stay())]
        if self._sampling:
            self._tasks.append(asyncio.ensure_future(self._sample()))
        await self.said()

    async def stop(self) -> None:
        """Go without a word."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._agent.close()

    async def _enter(self, check_in: CheckIn) -> None:
        await self._agent.listen(await check_in.password(self.uuid, self._yard))
        self.conversation.say_state()
        self.conversation.say()
        self._connected.set()

    async def _stay(self) -> None:
        while True:
            await self._agent.closed()
            self._connected.clear()
            self.on_connection("lost")
            while not self._connected.is_set():
                try:
                    await self._enter_again()
                except (
                    AMQPError,
                    OSError,
                    RuntimeError,
                    StopAsyncIteration,
                    TimeoutError,
                ) as error:  # RuntimeError: channel dead, or refused; StopAsyncIteration: lost in its handshake
                    self.on_connection(f"not yet: {error!r}")
                    await asyncio.sleep(_AGAIN)
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    await asyncio.sleep(_AGAIN)  # a connection that dies cancels what waits for its answers
            self.on_connection("again")

    async def _enter_again(self) -> None:
        """On a check-in of its own: that of the others may be lost, too."""
        check_in = CheckIn(self._settings)
        await check_in.connect()
        try:
            await self._enter(check_in)
        finally:
            await check_in.close()

    async def _hear(self, message: dict[str, Any]) -> None:
        self.conversation.hear(message)

    async def _say(self) -> None:
        """One after the other: what is said must not overtake."""
        while True:
            said = await self._saying.get()
            await self._connected.wait()
            with contextlib.suppress(AMQPError, ChannelInvalidStateError):  # the connection is just being lost
                if isinstance(said, bool):
                    await (self._agent.bind() if said else self._agent.unbind())
                else:
                    await self._agent.publish(*said)
            self._saying.task_done()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(self._sampling)
            self.conversation.sample()

    class _Voice:
        def __init__(self, owner: "Simulated") -> None:
            self._owner = owner

        def state(self, status: str, mission: int | None, report: dict[str, Any] | None) -> None:
            self._put("state", "agent_state", state(status, mission, report))

        def event(self, body: dict[str, Any]) -> None:
            self._put("event", "agent_event", body)

        def update(self, body: dict[str, Any]) -> None:
            self._put("update", "agent_update", body)

        def sensors(self, values: dict[str, Any]) -> None:
            self._put("visualization", "agent_sensors", {"sensors": values})

        def listen(self, hears: bool) -> None:
            self._owner._saying.put_nowait(hears)

        def later(self, seconds: float, call: Callable[[], None]) -> None:
            timers = self._owner._timers

            def now() -> None:
                timers.discard(timer)
                call()

            timer = asyncio.get_running_loop().call_later(seconds, now)
            timers.add(timer)

        def _put(self, word: str, kind: str, body: dict[str, Any]) -> None:
            self._owner._saying.put_nowait((word, kind, body))


class Instruments:
    """The devices of one event loop. Use as an async context manager."""

    def __init__(
        self,
        settings: Settings,
        yard: str,
        *,
        sampling: float = 0.0,
        time_scale: float = 1.0,
        patience: float = 0.0,
    ) -> None:
        """`settings`: the broker, its exchanges and the registration token; `yard`: uid of the devices' yard.

        `sampling` and `time_scale`: as of Simulated and Conversation; `patience`: seconds that Muster may still need to
        start.
        """
        self._settings, self._yard, self._sampling, self._time_scale = settings, yard, sampling, time_scale
        self._patience = patience
        self._check_in = CheckIn(settings)
        self.running: dict[str, Simulated] = {}

    async def __aenter__(self) -> Self:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                await self._check_in.connect()
            except ConnectionError:  # no broker, or it has no account to check in on yet
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
            else:
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(each.stop() for each in self.running.values()))
        await self._check_in.close()

    async def start(self, uuid: str, kind: str = Kind.CTD, *, state: str = State.COMMAND) -> Simulated:
        """Start a device, which checks in, listens and is free; `state`: where an instrument stands at first."""
        device = Platform() if kind == Kind.PLATFORM else INSTRUMENTS[kind](state)
        simulated = Simulated(
            self._settings, self._yard, uuid, device, sampling=self._sampling, time_scale=self._time_scale
        )
        await simulated.start(self._check_in)
        self.running[uuid] = simulated
        return simulated

    async def stop(self, uuid: str) -> None:
        """Let one go without a word."""
        await self.running.pop(uuid).stop()
