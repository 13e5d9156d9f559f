"""Consumes the exchange of events, and says when it has so many of the writer's: `queue_reader COUNT EXCHANGE [KEY]`.

COUNT 0: it only takes them, as a consumer beside missions.
"""

import json
import sys
import time

import aio_pika
import uvloop

from benchmarks.child import say, until_the_driver_is_gone
from benchmarks.events.delays import Delays
from benchmarks.events.writer import MARK
from settings import Settings


async def main() -> None:
    count, exchange = int(sys.argv[1]), sys.argv[2]
    delays = Delays()
    mark = f'"{MARK}"'.encode()
    connection = await aio_pika.connect(Settings().amqp_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=0)
    queue = await channel.declare_queue(None, exclusive=True)
    await queue.bind(exchange, sys.argv[3] if len(sys.argv) > 3 else "#")

    def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        if mark in message.body and count:
            delays.note(json.loads(message.body)["timestamp"])
            if delays.count == count:
                say("all", time.time(), delays.take())

    await queue.consume(take, no_ack=True)  # type: ignore[arg-type]  # a plain callback is called in order
    say("listening")
    await until_the_driver_is_gone()
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main())
