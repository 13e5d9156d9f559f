"""RabbitMQ 4.3 and later refuse the queues that agents declare: said at the start, with the remedy."""

from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import ConnectionInternalError

from fleet.bus import AgentsRefused, probe_transient_queues
from settings import Settings


class RefusingBroker:
    """Answers as RabbitMQ 4.3 does: by closing the connection."""

    closed = False

    async def channel(self) -> "RefusingBroker":
        return self

    async def declare_queue(self, *_: Any, **__: Any) -> None:
        raise ConnectionInternalError("INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.")

    async def close(self) -> None:
        self.closed = True


async def test_a_refusal_says_what_to_do() -> None:
    broker = RefusingBroker()

    async def connect() -> Any:
        return broker

    with pytest.raises(AgentsRefused, match="permit_deprecated_features"):
        await probe_transient_queues(connect)
    assert broker.closed


async def test_this_broker_takes_them(settings: Settings) -> None:
    await probe_transient_queues(lambda: aio_pika.connect(settings.amqp_url))
