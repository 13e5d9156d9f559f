"""A request that does not end is given up, and says so; one that is late to be worked on is not taken for it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import uvicorn
from fastapi import FastAPI, Request

from api.deadline import Deadline
from api.server import Protocol

PATIENCE = 0.3
GET = b"GET /slow HTTP/1.1\r\nHost: muster\r\n"
POST = b"POST /length HTTP/1.1\r\nHost: muster\r\nContent-Length: 9\r\n\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server whose patience is short."""
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(2 * PATIENCE)
        return "done"

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(Deadline, seconds=10, upload_seconds=PATIENCE)
    http = partial(Protocol, read_timeout=PATIENCE)
    config = uvicorn.Config(app, port=0, http=http, log_config=None, lifespan="off")  # type: ignore[arg-type]  # makes one
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the tests' own handlers stay
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def said(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send the parts, and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_connection_on_which_nothing_comes_is_closed(port: int) -> None:
    assert await said(port) == b""


async def test_a_head_that_does_not_end_is_answered_with_a_408(port: int) -> None:
    answer = await said(port, GET, b"X: x\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer


async def test_a_body_that_does_not_end_is_answered_with_a_408(port: int) -> None:
    answer = await said(port, POST, b"1234")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not end within 0.3 s" in answer


async def test_a_head_without_limit_is_answered_with_a_431(port: int) -> None:
    answer = await said(port, GET, b"X-Odd: " + b"x" * 100_000, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_what_is_no_http_is_answered_with_a_problem(port: int) -> None:
    answer = await said(port, b"\0\1\2\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


async def test_slow_work_and_requests_in_a_row_are_no_slow_requests(port: int) -> None:
    answer = await said(port, GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_a_lone_byte_after_an_answer_does_not_keep_the_connection(port: int) -> None:
    answer = await said(port, POST + b"123456789", b"\r\n", pause=0.1)
    assert answer.count(b"HTTP/1.1 ") == 1
