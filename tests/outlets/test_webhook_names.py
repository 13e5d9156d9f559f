"""Names of webhooks' hosts that hang: they hold up no other name, and not the end of the process."""

import asyncio
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from outlets.webhook_sender import resolve


async def test_names_that_hang_hold_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, real = threading.Event(), socket.getaddrinfo

    def ask(host: str, *args: Any, **options: Any) -> Any:
        if host.endswith(".hangs"):
            go_on.wait(30)
        return real("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    hanging = [asyncio.create_task(resolve(f"{number}.hangs", 80)) for number in range(64)]
    try:
        assert [str(one) for one in await asyncio.wait_for(resolve("good", 80), 5)] == ["127.0.0.1"]
        hanging.pop().cancel()  # and its answer, later, goes nowhere
    finally:
        go_on.set()
    assert len(await asyncio.gather(*hanging)) == 63


def test_names_that_hang_do_not_hold_up_the_exit() -> None:
    program = """
import asyncio, socket, time
from outlets.webhook_sender import resolve
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
async def main():
    try:
        await asyncio.wait_for(resolve("hangs", 80), 0.1)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "gave up\n"
