"""A connection to a service that dies without a sign costs the requests that are on their way, and no later one."""

import asyncio

import pytest

from activities.service_client import service_client
from tests.fleet.proxy import before


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_no_request_goes_over_a_connection_that_died_meanwhile(method: str) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with before(f"http://127.0.0.1:{port}/plan") as (proxy, through), service_client() as http:
        assert (await http.request(method, through)).status_code == 200
        proxy.half_open()
        async with asyncio.timeout(3):
            assert (await http.request(method, through)).status_code == 200
    server.close()
