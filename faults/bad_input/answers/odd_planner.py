"""A planner that answers with bytes: in a thread of its own, so that nothing of the driver's slows it down."""

import asyncio
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_COOKIE = re.compile(rb"(?i)\r\ncookie: *([^\r]*)")
_KEY = re.compile(rb"(?i)\r\nidempotency-key: *([^\r]*)")
_DROP = 0.1
"""Seconds between two drops."""


class Then(StrEnum):
    """What happens to the connection after the bytes."""

    CLOSE = "close"
    KEEP = "keep"
    """Open for the next request."""
    RESET = "reset"
    HANG = "hang"
    DRIP = "drip"
    """The drop again and again, slowly, until the other side has had enough."""
    FLOOD = "flood"
    """The drop again and again, as fast as it is read."""


@dataclass(frozen=True)
class Answer:
    """What goes back for one request: all of the bytes, the head too."""

    content: bytes
    then: Then = Then.CLOSE
    drop: bytes = b""


def http(body: bytes, status: int = 200, reason: str = "OK", then: Then = Then.KEEP, /, **headers: str) -> Answer:
    """A proper answer with this body; a header that is empty is left out."""
    said = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
    return Answer(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1") + body, then)


def in_json(value: Any, status: int = 200) -> Answer:
    """A proper answer with a value."""
    return http(json.dumps(value).encode(), status)


class OddPlanner:
    """Answers what the cases say to `/odd…/`, and what the mission's data say to `/good/`. Use as a context manager."""

    def __init__(self) -> None:
        self.answers: Mapping[int, tuple[Answer, ...]] = {}
        """By case: to its first request, to its second, and so on; the last one again and again."""
        self.asked: Counter[int] = Counter()
        """How often each case was asked or polled."""
        self.keys: dict[int, set[bytes]] = {}
        """The idempotency keys of its POSTs."""
        self.wrong: list[str] = []
        """What no planner should have been asked."""
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**20, backlog=500)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                answer = self._answer(head, body)
                writer.write(answer.content)
                await writer.drain()
                if answer.then is not Then.KEEP:
                    await _go_on(answer, reader, writer)
                    return
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the other side has had enough
        finally:
            writer.close()

    def _answer(self, head: bytes, body: bytes) -> Answer:
        method, path = head.split(b" ", 2)[:2]
        cookie = _COOKIE.search(head)
        if cookie:
            self.wrong.append(f"the cookie {cookie[1][:80]!r} of one answer was sent with the next request")
        _, service, job = (*unquote(urlsplit(path.decode()).path).split("/", 2), "")[:3]
        asked = json.loads(body)["request"] if body else {}
        if service == "good":
            return in_json(asked["answer"])
        number = int(asked["case"] if body else job.partition(".")[0])
        if method == b"DELETE":
            return in_json({"status": "canceled"})
        answers = self.answers[number]
        turn = min(self.asked[number], len(answers) - 1)
        self.asked[number] += 1
        key = _KEY.search(head)
        if method == b"POST" and key:
            self.keys.setdefault(number, set()).add(key[1])
        return answers[turn]


async def _go_on(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if answer.then is Then.RESET:
        ours: socket.socket = writer.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    elif answer.then is Then.HANG:
        await reader.read()
    else:
        while answer.drop:
            writer.write(answer.drop)
            await writer.drain()
            if answer.then is Then.DRIP:
                await asyncio.sleep(_DROP)
