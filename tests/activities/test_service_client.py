"""No call to a service knows of another one, though both are to one host."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.service_client import service_client


@asynccontextmanager
async def server(after: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers with the number of the request and a cookie, and sends `after` behind it; shows the heads it got."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: number=%d\r\n\r\n" % len(heads)
                writer.write(head + b"%d" % len(heads) + after)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/", heads


async def test_second_answer_to_a_request_answers_no_other_request() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") as (url, _), service_client() as client:
        assert [(await client.get(url)).text for _ in range(3)] == ["1", "2", "3"]


async def test_no_cookie_is_sent_back() -> None:
    async with server(b"") as (url, heads), service_client() as client:
        for _ in range(2):
            await client.get(url)
        assert len(heads) == 2
        assert not any(b"cookie" in head.lower() for head in heads)
        assert not client.cookies
