"""A connection to a service that dies without a sign costs the requests that are on their way, and no later one."""

import asyncio
import socket

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


async def test_machine_that_is_gone_without_a_sign_is_found_out_within_half_a_minute() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/plan"
    async with service_client() as http, http.stream("POST", url) as response:
        connection = response.extensions["network_stream"].get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, interval, count, unacknowledged = (
            connection.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        )
    assert idle + interval * count <= 30
    assert unacknowledged <= 30_000
    server.close()


async def test_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = await asyncio.start_server(_answer, "127.0.0.1", 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    async with service_client() as http:
        assert (await http.get("http://planner.invalid/plan")).status_code == 200
    proxy.close()
