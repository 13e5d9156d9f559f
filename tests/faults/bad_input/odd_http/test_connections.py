"""What counts as broken while many connections are open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from faults.bad_input.odd_http import connections
from faults.bad_input.odd_http.connections import left_open
from faults.bad_input.odd_http.sender import Sender
from faults.results import Result

MANY = 300


@contextlib.asynccontextmanager
async def _api(said: bytes) -> AsyncIterator[Sender]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, backlog=MANY) as server:
        port = server.sockets[0].getsockname()[1]
        yield Sender(f"http://127.0.0.1:{port}", 5.0, Result("odd HTTP"))


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", []),
        (b"", [f"a request beside {MANY} open connections: answered []"]),
        (b"HTTP/1.1 429 Too Many\r\n\r\n", [f"a request beside {MANY} open connections: answered [429]"]),
    ],
)
async def test_a_request_beside_open_connections_is_answered(said: bytes, broken: list[str]) -> None:
    async with _api(said) as sender:
        await left_open(sender, "t", MANY)
        assert sender.result.broken == broken
        assert sender.result.remarks == [f"{MANY} connections were opened and left"]


async def test_connections_that_are_refused_are_told() -> None:
    async with _api(b"HTTP/1.1 200 OK\r\n\r\n") as sender:
        connect, opened = sender.connect, 0

        async def refusing() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            nonlocal opened
            opened += 1
            if 100 < opened <= 200:
                raise ConnectionRefusedError("full")
            return await connect()

        sender.connect = refusing  # type: ignore[method-assign]  # a machine that is full
        await left_open(sender, "t", MANY)
    assert len(sender.result.broken) == 1
    assert f"only 100 of {MANY} connections could be opened" in sender.result.broken[0]


async def test_fewer_connections_for_want_of_files_are_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda kind: (1024, 1024))
    monkeypatch.setattr(connections.resource, "setrlimit", lambda kind, limits: None)
    async with _api(b"HTTP/1.1 200 OK\r\n\r\n") as sender:
        await left_open(sender, "t", MANY)
    assert sender.result.broken == []
    (remark,) = sender.result.remarks
    assert remark == f"12 connections were opened and left, of {MANY}: for more too few files may be open here"
