"""Our own programs as children of the stack, with stand-ins for the API and the worker."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.stack import apps
from cli.stack.launcher import Stack
from settings import Settings
from tests.support.muster_command import eventually

API = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
        self.wfile.write(os.environ["MUSTER_DATABASE_URL"].encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["MUSTER_API_PORT"])), Handler).serve_forever()
"""
WORKER = """
import os, pathlib, signal, time
def drain(*_):
    time.sleep(0.3)
    pathlib.Path("drained").touch()
    os._exit(0)
signal.signal(signal.SIGTERM, drain)
pathlib.Path("working").touch()
while True:
    time.sleep(0.1)
"""


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    """A stack whose servers are all given by address, so that none is started."""
    (tmp_path / "api.py").write_text(API)
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(apps, "ROOT", tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    settings = Settings(
        database_url="postgresql://a:b@127.0.0.1:1/c", amqp_url="amqp://a:b@127.0.0.1:1/", data_dir=tmp_path / "data"
    )
    async with Stack(settings) as stack:
        yield stack


async def test_parts_given_by_address_are_not_started(stack: Stack) -> None:
    assert stack.processes.children == {}
    assert stack.addresses is not None
    assert stack.addresses.temporal_address == "127.0.0.1:1"
    assert stack.addresses.amqp_management_url == "http://a:b@127.0.0.1:15672"


async def test_up_means_that_the_api_is_ready_and_knows_the_addresses(stack: Stack) -> None:
    await stack.start_apps(fleet=False)
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{stack.api_url}/health/ready")
    assert answer.text == "postgresql://a:b@127.0.0.1:1/c"


async def test_the_worker_is_waited_for(stack: Stack, tmp_path: Path) -> None:
    await stack.start_apps(fleet=False)
    eventually((tmp_path / "working").exists, "the worker", 10)
    await stack.stop()
    assert (tmp_path / "drained").exists()


async def test_a_child_that_dies_is_noticed(stack: Stack, tmp_path: Path) -> None:
    await stack.start_apps(fleet=False)
    os.kill(stack.processes.children["worker"].record.pid, 9)
    failure = await asyncio.wait_for(stack.wait_for_exit(), 10)
    assert failure.part == "worker"
    assert "worker.log" in failure.remedy
