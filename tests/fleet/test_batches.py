"""A connection that dies cancels whoever waits for it: a consumer goes on all the same, on the next one."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiormq.exceptions import ChannelInvalidStateError

from fleet.batches import BatchConsumer
from fleet.side_by_side import SideBySideConsumer
from tests.fleet.conftest import until

Consumer = BatchConsumer | SideBySideConsumer


class Message:
    """One as the library has it: closed channels raise, what waits for its acknowledgement is cancelled."""

    routing_key, user_id = "agent.one.state", "one"
    _CHANNEL = SimpleNamespace(is_closed=False)

    def __init__(self, number: int, *, lost_at_ack: bool = False) -> None:
        self.number, self._lost_at_ack = number, lost_at_ack
        self.lost = False

    @property
    def channel(self) -> Any:
        if self.lost:
            raise ChannelInvalidStateError
        return self._CHANNEL

    async def ack(self, multiple: bool = False) -> None:
        if self._lost_at_ack:
            self.lost = True
            raise asyncio.CancelledError


class Line:
    """A bus of one queue."""

    async def consume(self, queue: str, callback: Callable[[Any], Any], *, prefetch: int) -> Any:
        self.deliver = callback
        return SimpleNamespace(close=asyncio.Event().wait)


class Desk:
    """Handles messages; the connection that it uses for it dies so often."""

    def __init__(self, dies: int = 0) -> None:
        self.handled: list[int] = []
        self._dies = dies

    async def handle(self, messages: Sequence[Any]) -> None:
        if self._dies:
            self._dies -= 1
            raise asyncio.CancelledError
        self.handled += [message.number for message in messages]

    async def count(self, number: int) -> None:
        """None is dropped here."""


def batches(line: Line, desk: Desk) -> Consumer:
    return BatchConsumer(line, "q", desk.handle, batch_size=1)  # type: ignore[arg-type]  # all that it needs of a bus


def side_by_side(line: Line, desk: Desk) -> Consumer:
    return SideBySideConsumer(line, "q", desk.handle, refuse=desk.handle, dropped=desk.count, at_once=1)  # type: ignore[arg-type]  # likewise


@pytest.mark.parametrize("make", [batches, side_by_side])
async def test_a_connection_that_dies_while_it_acknowledges_does_not_end_it(make: Callable[..., Consumer]) -> None:
    line, desk = Line(), Desk()
    await make(line, desk).start()
    await line.deliver(Message(1, lost_at_ack=True))
    await handles(desk, 1)
    await line.deliver(Message(2))
    await handles(desk, 1, 2)


@pytest.mark.parametrize("make", [batches, side_by_side])
async def test_a_connection_that_dies_while_it_handles_does_not_end_it(make: Callable[..., Consumer]) -> None:
    line, desk = Line(), Desk(dies=1)
    await make(line, desk).start()
    await line.deliver(Message(1))
    await handles(desk, 1)


@pytest.mark.parametrize("make", [batches, side_by_side])
async def test_messages_whose_channel_is_gone_are_dropped_as_they_come_again(make: Callable[..., Consumer]) -> None:
    line, desk = Line(), Desk()
    await make(line, desk).start()
    waiting = [Message(number) for number in range(3)]
    for message in waiting:
        message.lost = message.number < 2
        await line.deliver(message)
    await handles(desk, 2)


async def test_a_batch_ends_where_a_channel_has_gone_meanwhile() -> None:
    line, desk = Line(), Desk()
    consumer = BatchConsumer(line, "q", desk.handle, batch_size=10, gather=0.2)  # type: ignore[arg-type]  # likewise
    await consumer.start()
    waiting = [Message(number) for number in range(3)]
    waiting[1].lost = True
    for message in waiting:
        await line.deliver(message)
    await handles(desk, 0, 2)


async def handles(desk: Desk, *numbers: int) -> None:
    """Until it has handled exactly these."""

    async def done() -> object:
        return desk.handled == list(numbers)

    await until(done, 5)
