"""RabbitMQ where neither the machine has it nor an address is given; with a stand-in for the `docker` program."""

import os
import sys
from pathlib import Path

import pytest

from cli.stack import rabbitmq
from cli.stack.part import PartFailed
from cli.stack.ports import any_free_port
from cli.stack.processes import Processes
from cli.stack.rabbitmq import RabbitMQ

# `run` serves the management API on the published port, `stop` ends it; each call is noted.
DOCKER = f"""#!{sys.executable}
import http.server, os, pathlib, signal, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "stop" and (here / "pid").exists():
    os.kill(int((here / "pid").read_text()), signal.SIGTERM)
if sys.argv[1] == "run":
    (here / "pid").write_text(str(os.getpid()))
    port = next(int(each.split(":")[1]) for each in sys.argv if each.endswith(":15672"))
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{{"listeners": [{{"protocol": "amqp"}}]}}')
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def no_rabbitmq_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "find_server", lambda: None)


async def test_it_runs_in_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    part = RabbitMQ(tmp_path, Processes(tmp_path, f"test-{tmp_path}"), disposable=False)
    ports = {name: any_free_port() for name in part.ports}
    await part.start(ports)
    assert part.url == f"amqp://guest:guest@127.0.0.1:{ports['amqp']}/"
    await part.stop()
    run = next(line for line in (programs / "calls").read_text().splitlines() if line.startswith("run "))
    assert f"-p 127.0.0.1:{ports['amqp']}:5672" in run
    last = (programs / "calls").read_text().splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["stop", "rm"]


async def test_without_docker_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "docker_works", lambda: False)
    part = RabbitMQ(tmp_path, Processes(tmp_path, f"test-{tmp_path}"), disposable=False)
    with pytest.raises(PartFailed) as failed:
        await part.start(dict.fromkeys(part.ports, 0))
    assert "make setup" in failed.value.remedy
    assert "MUSTER_AMQP_URL" in failed.value.remedy
