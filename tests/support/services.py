"""Where tests find PostgreSQL, RabbitMQ and Temporal.

Each is taken from the address given (MUSTER_DATABASE_URL, MUSTER_AMQP_URL, TEMPORAL_ADDRESS), else started from the
programs on this machine, else from a container. What is missing is a failure, never a skip. All pytest workers share
one set of services; each has a database, a vhost and a Temporal namespace of its own.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.stack.addresses import Addresses

FOLDER_VARIABLE = "MUSTER_TEST_STACK"
OWNER_VARIABLE = "MUSTER_TEST_OWNER"
PROCESS = Path(__file__).with_name("stack_process.py")
ROOT = Path(__file__).parents[2]


class WorkerAddresses(Addresses):
    """Addresses that belong to one pytest worker alone."""

    temporal_namespace: str

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "TEMPORAL_NAMESPACE": self.temporal_namespace,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }


def announce() -> None:
    """Called once, by the pytest that owns the run, before its workers start."""
    name = f"muster-tests-{os.getpid()}-{secrets.token_hex(4)}"
    os.environ[FOLDER_VARIABLE] = str(Path(tempfile.gettempdir()) / name)
    os.environ[OWNER_VARIABLE] = str(os.getpid())


def find(timeout: float = 180) -> Addresses:
    """The addresses of this run's services. Whoever asks first starts them."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    folder.mkdir(mode=0o711, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "pid").exists():
            with (folder / "log").open("w") as log:
                command = [sys.executable, PROCESS, folder, os.environ[OWNER_VARIABLE]]
                path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
                env = {**os.environ, "PYTHONPATH": path}
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
            _wait(lambda: (folder / "pid").exists(), 10)
    ready, failed = folder / "stack" / "addresses.json", folder / "failed"
    if not _wait(lambda: ready.exists() or failed.exists(), timeout) or failed.exists():
        reason = failed.read_text() if failed.exists() else (folder / "log").read_text()
        raise RuntimeError(f"The services that the tests need did not come up.\n{reason}")
    return Addresses.model_validate_json(ready.read_text())


def shut_down() -> None:
    """Called once, by the pytest that owns the run, at its end."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError, psutil.NoSuchProcess):
        process = psutil.Process(int((folder / "pid").read_text()))
        process.send_signal(signal.SIGTERM)
        _wait(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 60)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def private_part_of(services: Addresses, name: str) -> AsyncIterator[WorkerAddresses]:
    """A database, a vhost and a namespace of this name, removed afterwards."""
    admin = await asyncpg.connect(services.database_url)
    async with httpx.AsyncClient(base_url=services.amqp_management_url, trust_env=False, timeout=30) as management:
        user = urlsplit(services.amqp_url).username or "guest"
        namespace = name.replace("_", "-")
        try:
            await admin.execute(f'CREATE DATABASE "{name}"')
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            (await management.put(f"/api/vhosts/{name}")).raise_for_status()
            (await management.put(f"/api/permissions/{name}/{user}", json=everything)).raise_for_status()
            await _create_namespace(services.temporal_address, namespace)
            yield WorkerAddresses(
                **services.model_dump(exclude={"database_url", "amqp_url"}),
                database_url=urlsplit(services.database_url)._replace(path=f"/{name}").geturl(),
                amqp_url=urlsplit(services.amqp_url)._replace(path=f"/{name}").geturl(),
                temporal_namespace=namespace,
            )
        finally:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.close()
            await management.delete(f"/api/vhosts/{name}")
            if os.environ.get("TEMPORAL_ADDRESS"):  # not ours, so it stays
                client = await Client.connect(services.temporal_address)
                await client.operator_service.delete_namespace(DeleteNamespaceRequest(namespace=namespace))


async def _create_namespace(address: str, namespace: str) -> None:
    """Create it and wait until every service of the cluster has heard of it."""
    client = await Client.connect(address, namespace=namespace)
    retention = Duration()
    retention.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    )
    deadline = time.monotonic() + 60
    while not await _is_usable(client, namespace):
        if time.monotonic() > deadline:
            raise TimeoutError(f"namespace {namespace} did not become usable")
        await asyncio.sleep(0.05)


async def _is_usable(client: Client, namespace: str) -> bool:
    try:
        await client.workflow_service.describe_task_queue(  # asks matching
            DescribeTaskQueueRequest(
                namespace=namespace,
                task_queue=TaskQueue(name="probe"),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        )
        await client.get_workflow_handle("probe").signal("probe")  # asks history
    except RPCError as error:
        return error.status == RPCStatusCode.NOT_FOUND and "amespace" not in error.message
    return True


def _wait(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
