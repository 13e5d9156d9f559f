"""Our own programs as children of the stack, with stand-ins for the API and the worker."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.stack import apps, restarts
from cli.stack.launcher import Stack
from cli.stack.part import PartFailed
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
import os, pathlib, signal, sys, time
if pathlib.Path("broken").exists():
    sys.exit("it is broken")
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


async def test_who_is_killed_is_started_again_with_a_line_that_says_so(stack: Stack, tmp_path: Path) -> None:
    await stack.start_apps(fleet=False)
    eventually((tmp_path / "working").exists, "the worker", 10)
    (tmp_path / "working").unlink()
    told: list[str] = []
    url = stack.api_url
    keeping = asyncio.ensure_future(stack.keep_up(lambda part, state: told.append(f"{part}: {state}")))
    killed = {name: child.record.pid for name, child in stack.processes.children.items()}
    for pid in killed.values():
        os.kill(pid, 9)

    def both_are_up() -> bool:
        return sum("started again" in line for line in told) == 2 and (tmp_path / "working").exists()

    await asyncio.to_thread(eventually, both_are_up, "both", 10)
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{url}/health/ready")).status_code == 200
    assert "API: ended by itself (exit code -9); starts again in 0.5 s" in told
    assert not killed.items() & {name: child.record.pid for name, child in stack.processes.children.items()}.items()
    assert not keeping.done()
    keeping.cancel()


async def test_who_ends_at_once_again_and_again_is_given_up(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "_FIRST_PAUSE", 0.01)
    await stack.start_apps(fleet=False)
    eventually((tmp_path / "working").exists, "the worker", 10)
    (tmp_path / "broken").touch()
    os.kill(stack.processes.children["worker"].record.pid, 9)
    failure = await asyncio.wait_for(stack.keep_up(lambda part, state: None), 10)
    assert str(failure) == "worker ended at once, 6 times in a row (exit code 1)."
    assert "it is broken" in failure.log
    assert "worker.log" in failure.remedy


async def test_the_log_of_the_first_end_is_still_there_when_it_is_given_up(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "_FIRST_PAUSE", 0.01)
    await stack.start_apps(fleet=False)
    eventually((tmp_path / "working").exists, "the worker", 10)
    log = stack.processes.children["worker"].log
    log.write_text("the cause")
    (tmp_path / "broken").touch()
    os.kill(stack.processes.children["worker"].record.pid, 9)
    await asyncio.wait_for(stack.keep_up(lambda part, state: None), 10)
    assert "the cause" in [each.read_text() for each in log.parent.glob("worker.log*")]


async def test_a_program_that_cannot_be_started_is_said_clearly(stack: Stack, tmp_path: Path) -> None:
    await stack.start_apps(fleet=False)
    eventually((tmp_path / "working").exists, "the worker", 10)
    keeping = asyncio.ensure_future(stack.keep_up(lambda part, state: None))
    logs = stack.processes.children["worker"].log.parent
    logs.rename(logs.with_name("moved"))
    os.kill(stack.processes.children["worker"].record.pid, 9)
    failure = await asyncio.wait_for(keeping, 10)
    assert str(failure).startswith("Worker cannot be started: [Errno 2] No such file or directory")
    assert failure.remedy
    with pytest.raises(PartFailed, match="Worker cannot be started"):
        await stack.start_apps(fleet=False)
