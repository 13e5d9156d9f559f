"""RabbitMQ 4.3 and later refuse the queues that agents declare: said at the start, with the remedy."""

from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ConnectionInternalError,
)

from fleet.bus import AgentsRefused, probe_transient_queues
from missions.errors import PartUnavailable
from settings import Settings


class RefusingBroker:
    """Does not take the queue."""

    def __init__(self, answer: Exception) -> None:
        self.answer = answer
        self.closed = False

    async def channel(self) -> "RefusingBroker":
        return self

    async def declare_queue(self, *_: Any, **__: Any) -> None:
        raise self.answer

    async def close(self) -> None:
        self.closed = True


async def probe(broker: RefusingBroker) -> None:
    async def connect() -> Any:
        return broker

    try:
        await probe_transient_queues(connect)
    finally:
        assert broker.closed


async def test_a_refusal_says_what_to_do() -> None:
    # As RabbitMQ 4.3 does, which then closes the connection.
    refusal = ConnectionInternalError("INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.")
    with pytest.raises(AgentsRefused, match="permit_deprecated_features"):
        await probe(RefusingBroker(refusal))


@pytest.mark.parametrize(
    "answer",
    [
        AMQPConnectionError("Server connection unexpectedly closed. Read 39 bytes but 44 expected"),
        ConnectionInternalError("INTERNAL_ERROR"),
        ChannelAccessRefused("ACCESS_REFUSED - configure access to queue refused"),
        ChannelInvalidStateError("the channel is gone"),
    ],
)
async def test_whatever_else_a_broker_says_may_be_otherwise_later(answer: Exception) -> None:
    with pytest.raises(PartUnavailable):
        await probe(RefusingBroker(answer))


async def test_this_broker_takes_them(settings: Settings) -> None:
    await probe_transient_queues(lambda: aio_pika.connect(settings.amqp_url))
