"""Where nobody answers: lawful while the API is dead, wrong else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faults.load.client import Client

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def api(*answers: bytes) -> AsyncIterator[Client]:
    """One that gives these, each to one request on a connection of its own, and closes it; then nothing any more."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if left:
            writer.write(left.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield client
    finally:
        await client.close()
        server.close()


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async with api(b"", _OK) as client:
        response = await client.once("GET", "/agents")
        assert response is not None
        assert response.status_code == 200
        assert client.treatment.wrong == []


async def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    async with api(b"", _OK) as client:
        assert await client.once("GET", "/agents", kept=False) is None
        assert "nobody was there" in client.treatment.wrong[0]


async def test_nobody_is_wrong_unless_the_api_is_dead() -> None:
    async with api() as client:
        assert await client.once("GET", "/agents") is None
        assert "nobody was there" in client.treatment.wrong[0]
        client.treatment.wrong.clear()
        client.nobody_is_there = True
        assert await client.once("GET", "/agents") is None
        assert (client.treatment.wrong, client.treatment.refused) == ([], 1)
