"""Requests that never end: the API must not wait for ever."""

import asyncio
import time

from faults.bad_input.ground import READ_TIMEOUT
from faults.bad_input.odd_http.request import JSON, request
from faults.bad_input.odd_http.sender import Sender


async def never_ending(sender: Sender, token: str) -> None:
    """All at once: each is waited for."""
    own = {"Authorization": f"Bearer {token}"}
    post = own | {"Content-Type": JSON}
    await asyncio.gather(
        _is_given_up(sender, "a head that never ends", b"GET /api/v1/yards HTTP/1.1\r\n", b"X-%d: x\r\n"),
        _is_given_up(
            sender,
            "a body that never comes",
            request("POST", "/api/v1/yards", post | {"Content-Length": "9"}),
            b"",
        ),
        _is_given_up(
            sender,
            "a body in drops",
            request("POST", "/api/v1/yards", post | {"Content-Length": "100000"}),
            b"%d ",
        ),
        _is_given_up(
            sender,
            "chunks without end",
            request("POST", "/api/v1/yards", post | {"Transfer-Encoding": "chunked"}),
            b"1\r\n%1.1d\r\n",
        ),
        _is_given_up(sender, "nothing at all", b"", b""),
        _is_given_up(
            sender,
            "a body that nobody reads",
            request("GET", "/api/v1/yards", own | {"Content-Length": "9"}),
            b"",
            answer=True,
        ),
    )


async def _is_given_up(sender: Sender, name: str, content: bytes, drop: bytes, *, answer: bool = False) -> None:
    """Begin with this, and go on with drops; the API ends it. `answer`: it must do so by a 2xx."""
    sender.result.times += 1
    waits = 2 * READ_TIMEOUT + sender.limit
    reader, writer = await sender.connect()
    reading = asyncio.ensure_future(reader.read())
    began, number = time.monotonic(), 0
    try:
        writer.write(content)
        while not reading.done() and time.monotonic() - began < waits:
            await asyncio.wait({reading}, timeout=0.2)
            if drop:
                number += 1
                writer.write(drop % (number % 10))
        if not reading.done():
            sender.result.broken.append(f"{name}: the API still waits for it after {waits:g} s")
            return
        statuses = sender.statuses(name, reading.result())
        if answer and statuses != [200]:
            sender.result.broken.append(f"{name}: answered {statuses}")
    except OSError:
        pass
    finally:
        reading.cancel()
        writer.close()
