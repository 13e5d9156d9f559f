"""What counts as an answer that should not be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from faults.bad_input.odd_http.request import Case, request
from faults.bad_input.odd_http.sender import Sender
from faults.results import Result

CASE = Case("odd", request("GET", "/", {}))


@contextlib.asynccontextmanager
async def _api(said: bytes | None) -> AsyncIterator[Sender]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Sender(f"http://127.0.0.1:{port}", 5.0 if said is not None else 0.1, Result("odd HTTP"))


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", []),
        (b"", []),
        (b"HTTP/1.1 500 Error\r\n\r\n", ["odd: HTTP 500"]),
        (None, ["odd: no answer within 0.1 s"]),
    ],
)
async def test_server_errors_and_silence_are_broken(said: bytes | None, broken: list[str]) -> None:
    async with _api(said) as sender:
        await sender.answered(CASE)
        assert sender.result.broken == broken
        assert sender.result.times == 1


async def test_who_cannot_be_reached_is_broken() -> None:
    async with _api(b"") as sender:
        pass
    await sender.answered(CASE)
    assert "no connection" in sender.result.broken[0]


@pytest.mark.parametrize(
    ("said", "is_broken"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", True),
        (b"HTTP/1.1 422 Odd\r\nContent-Type: application/problem+json\r\n\r\n", True),
        (b"", True),
    ],
)
async def test_answer_that_must_be_another_is_broken(said: bytes, is_broken: bool) -> None:
    async with _api(said) as sender:
        await sender.answered(Case("odd", CASE.content, frozenset({404, 405})))
        assert bool(sender.result.broken) == is_broken
