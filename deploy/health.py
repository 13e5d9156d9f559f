"""The health checks of the images: `python deploy/health.py api`, `python deploy/health.py worker`.

Only the standard library, for it runs every few seconds.

A worker has no port to ask. It holds connections to PostgreSQL, RabbitMQ and Temporal while it works and none of them
while it waits for parts that are down, and RabbitMQ closes the connection of a process that hangs (no heartbeats).
So it is well if its container has an open connection to each; this sees all connections of the network namespace,
which must be the container's own. A RabbitMQ that takes no connections excuses the one to it: missions without agents
go on then, and a restart would help nobody.
"""

import http.client
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_ESTABLISHED = "01"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_SECONDS = 3.0


def api_trouble(environment: Mapping[str, str]) -> str:
    """What is wrong with the API of this container; empty if nothing."""
    port = int(environment.get("MUSTER_API_PORT") or 8000)
    # Not urllib: a proxy of the environment must not be asked for our own address.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the API does not answer on port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"the API answers {status}"


def worker_trouble(environment: Mapping[str, str]) -> str:
    """What is wrong with the worker of this container; empty if nothing."""
    connected = set(_remote_ports())
    broker = urlsplit(environment.get("MUSTER_AMQP_URL", ""))
    parts = {
        "PostgreSQL": urlsplit(environment.get("MUSTER_DATABASE_URL", "")).port or 5432,
        "RabbitMQ": broker.port or 5672,
        "Temporal": urlsplit("//" + environment.get("TEMPORAL_ADDRESS", "")).port or 7233,
    }
    missing = {part: port for part, port in parts.items() if port not in connected}
    if "RabbitMQ" in missing and not _takes_connections(broker.hostname or "", parts["RabbitMQ"]):
        port = missing.pop("RabbitMQ")
        sys.stdout.write(f"RabbitMQ (port {port}) is down: agents are not reached, missions without them go on\n")
    named = ", ".join(f"{part} (port {port})" for part, port in missing.items())
    return f"the worker has no connection to {named}" if missing else ""


def _takes_connections(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False


def _remote_ports() -> Iterator[int]:
    """The ports at the other end of all open connections (format: proc_net_tcp in the kernel's documentation)."""
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            _, _, remote, state, *_ = line.split()
            if state == _ESTABLISHED:
                yield int(remote.rpartition(":")[2], 16)


CHECKS = {"api": api_trouble, "worker": worker_trouble}

if __name__ == "__main__":
    sys.exit(CHECKS[sys.argv[1]](os.environ) or 0)
