"""A listener is a loop's pause: a stop must end it, also in the very moment of a notification."""

import asyncio

from store.notifications import Listener


class Connected:
    def is_closed(self) -> bool:
        return False


async def test_stop_that_comes_with_a_notification_stops() -> None:
    listener = Listener(Connected())

    async def loop() -> None:
        while True:
            await listener.wait(60)

    running = asyncio.create_task(loop())
    await asyncio.sleep(0.01)  # it listens
    listener.hear()
    await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=5)
    running.cancel()
    assert done
