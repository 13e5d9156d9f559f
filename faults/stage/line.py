"""An AMQP connection that can be dropped without a word, as by a cut cable."""

from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.connection import TCPTransportFactory
from yarl import URL


class Line:
    """The connections of one agent, one after the other."""

    def __init__(self) -> None:
        self._transport = _Transport()

    async def connect(self, url: str) -> AbstractConnection:
        """Open one."""
        transport = self._transport

        class Droppable(aio_pika.Connection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.kwargs["transport_factory"] = transport

        return await aio_pika.connect(url, connection_class=Droppable)

    def drop(self) -> None:
        """Drop it, with what is on its way; neither side says goodbye."""
        if self._transport.writer is not None:
            self._transport.writer.transport.abort()


class _Transport(TCPTransportFactory):
    writer: Any = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[Any, Any]:
        reader, self.writer = await super().create(url, **kwargs)
        return reader, self.writer
