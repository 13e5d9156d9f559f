"""Who waits for a notification can be stopped at any moment."""

import asyncio

import pytest

from store.notifications import Listener


class Open:
    def is_closed(self) -> bool:
        return False


@pytest.mark.parametrize("turns", range(5))
async def test_waiting_is_stopped_also_in_the_moment_in_which_it_hears(turns: int) -> None:
    listener = Listener(Open())

    async def wait_for_ever() -> None:
        while True:
            await listener.wait(60)

    task = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0.01)
    listener.hear()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=1)
    stopped = bool(done)
    task.cancel()
    assert stopped
