"""deploy/health.py, the health checks of the images, run as the images run it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]


def check(what: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The script in an environment where nothing else is set."""
    command = [sys.executable, str(ROOT / "deploy/health.py"), what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)


class _Live(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def live_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Live) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_api_that_answers_is_well(live_port: int) -> None:
    done = check(
        "api", MUSTER_API_PORT=str(live_port), http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_api_that_does_not_answer_is_named_with_its_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        done = check("api", MUSTER_API_PORT=str(port))
    assert done.returncode == 1
    assert f"does not answer on port {port}" in done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="the images are Linux, this machine is not")
@pytest.mark.parametrize("missing", ["", "PostgreSQL", "RabbitMQ", "Temporal"])
def test_a_worker_is_well_while_it_is_connected_to_every_part(missing: str) -> None:
    servers = {part: socket.create_server(("127.0.0.1", 0)) for part in ("PostgreSQL", "RabbitMQ", "Temporal")}
    ports = {part: server.getsockname()[1] for part, server in servers.items()}
    connections = [socket.create_connection(("127.0.0.1", port)) for part, port in ports.items() if part != missing]
    try:
        done = check(
            "worker",
            MUSTER_DATABASE_URL=f"postgresql://muster:x@postgres:{ports['PostgreSQL']}/muster",
            MUSTER_AMQP_URL=f"amqp://muster:x@127.0.0.1:{ports['RabbitMQ']}/",
            TEMPORAL_ADDRESS=f"temporal:{ports['Temporal']}",
        )
    finally:
        for each in (*connections, *servers.values()):
            each.close()
    if missing:
        assert done.returncode == 1
        assert done.stderr == f"the worker has no connection to {missing} (port {ports[missing]})\n"
    else:
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="the images are Linux, this machine is not")
def test_a_worker_is_excused_from_a_broker_that_is_down() -> None:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [server.getsockname()[1] for server in servers]
    connections = [socket.create_connection(("127.0.0.1", port)) for port in ports]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        done = check(
            "worker",
            MUSTER_DATABASE_URL=f"postgresql://muster:x@postgres:{ports[0]}/muster",
            MUSTER_AMQP_URL=f"amqp://muster:x@127.0.0.1:{port}/",
            TEMPORAL_ADDRESS=f"temporal:{ports[1]}",
        )
    for each in (*connections, *servers):
        each.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"RabbitMQ (port {port}) is down" in done.stdout
