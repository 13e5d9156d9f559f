"""`muster up --servers-only` in two folders at the same time: restarts, signals, crashes."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from temporalio.client import Client

from cli.stack.addresses import Addresses
from cli.stack.postgres_home import remove_home
from cli.stack.processes import Record
from tests.support.muster_command import RunningStack, alive, eventually, output_of, run

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def two_stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningStack, RunningStack]]:
    # Started at the same moment, so that they race for the usual ports.
    stacks = [RunningStack(tmp_path_factory.mktemp(name) / "data") for name in ("first", "second")]
    try:
        for stack in stacks:
            stack.wait()
        yield stacks[0], stacks[1]
    finally:
        for stack in stacks:
            stack.launcher.terminate()
        for stack in stacks:
            stack.launcher.wait(60)
            remove_home(stack.data_dir)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    remove_home(tmp_path / "data")


async def store(addresses: Addresses, key: str) -> None:
    """Leave something in each of the three."""
    connection = await asyncpg.connect(addresses.database_url)
    await connection.execute(f"CREATE TABLE {key} AS SELECT 42 AS value")
    await connection.close()
    async with await aio_pika.connect(addresses.amqp_url) as broker:
        channel = await broker.channel()
        await channel.declare_queue(key, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"42", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=key)
    client = await Client.connect(addresses.temporal_address)
    await client.start_workflow("Nobody", id=key, task_queue="nobody")


async def check(addresses: Addresses, key: str) -> None:
    """It is still there."""
    connection = await asyncpg.connect(addresses.database_url)
    assert await connection.fetchval(f"SELECT value FROM {key}") == 42
    await connection.close()
    async with await aio_pika.connect(addresses.amqp_url) as broker:
        channel = await broker.channel()
        queue = await channel.declare_queue(key, durable=True, arguments={"x-queue-type": "quorum"})
        message = await queue.get(timeout=10)
        assert message is not None
        assert message.body == b"42"
    client = await Client.connect(addresses.temporal_address)
    assert (await client.get_workflow_handle(key).describe()).id == key


async def test_two_stacks_share_nothing(two_stacks: tuple[RunningStack, RunningStack]) -> None:
    first, second = (stack.addresses.model_dump() for stack in two_stacks)
    assert not set(first.values()) & set(second.values())
    await store(two_stacks[0].addresses, "only_here")
    connection = await asyncpg.connect(two_stacks[1].addresses.database_url)
    assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    await connection.close()


def test_a_second_up_on_the_same_folder_says_who_runs(two_stacks: tuple[RunningStack, RunningStack]) -> None:
    first, _ = two_stacks
    shown = output_of(first.data_dir).read_text()
    second_up = run(first.data_dir.parent / "data", "up", "--servers-only")
    assert second_up.wait(30) == 1
    assert f"already running on {first.data_dir} (pid {first.launcher.pid})" in output_of(first.data_dir).read_text()
    output_of(first.data_dir).write_text(shown)
    assert first.addresses  # still announced


async def test_sigterm_stops_all_of_one_stack_and_none_of_the_other_and_data_survives(
    two_stacks: tuple[RunningStack, RunningStack],
) -> None:
    first, second = two_stacks
    await store(first.addresses, "kept")
    ours, others = first.servers(), second.servers()
    assert len(ours) > 4
    assert await asyncio.to_thread(first.stop) == 0
    assert alive(ours) == []
    assert alive(others) == others
    await asyncio.to_thread(first.restart)
    await check(first.addresses, "kept")


async def test_after_a_killed_launcher_the_next_start_leaves_no_orphans_and_loses_nothing(
    two_stacks: tuple[RunningStack, RunningStack],
) -> None:
    first, second = two_stacks
    await store(first.addresses, "kept_too")
    orphans, others = first.servers(), second.servers()
    first.stop(signal.SIGKILL)
    assert alive(orphans) == orphans
    await asyncio.to_thread(first.restart)
    assert alive(orphans) == []
    assert alive(others) == others
    await check(first.addresses, "kept_too")


# RabbitMQ and Temporal given by address, so that only PostgreSQL is started, which is quick.
ONLY_POSTGRES = {"MUSTER_AMQP_URL": "amqp://127.0.0.1:1/", "TEMPORAL_ADDRESS": "127.0.0.1:1"}


def start_postgres(data_dir: Path) -> tuple[subprocess.Popen[str], Record]:
    launcher = run(data_dir, "up", "--servers-only", **ONLY_POSTGRES)
    eventually(lambda: "Ctrl-C stops" in output_of(data_dir).read_text(), "the stack", 30)
    return launcher, Record.model_validate_json((data_dir / "processes" / "postgres.json").read_text())


def test_a_server_that_dies_ends_the_stack_with_its_last_words(data_dir: Path) -> None:
    launcher, postgres = start_postgres(data_dir)
    os.kill(postgres.pid, signal.SIGKILL)
    assert launcher.wait(30) == 1
    shown = output_of(data_dir).read_text()
    assert "postgres ended by itself (exit code -9)" in shown
    assert "database system is ready" in shown  # from its log


def test_down_stops_a_running_stack_and_what_a_killed_one_left(data_dir: Path) -> None:
    launcher, postgres = start_postgres(data_dir)
    assert run(data_dir, "down").wait(30) == 0
    assert launcher.wait(30) == 0
    assert not postgres.is_alive()

    launcher, postgres = start_postgres(data_dir)
    launcher.kill()
    launcher.wait(10)
    assert postgres.is_alive()
    assert run(data_dir, "down").wait(30) == 0
    assert not postgres.is_alive()


def test_a_server_that_does_not_come_up_shows_its_last_lines_and_what_to_do(data_dir: Path) -> None:
    (data_dir / "postgres" / "data").mkdir(parents=True)
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    assert run(data_dir, "up", "--servers-only", **ONLY_POSTGRES).wait(30) == 1
    shown = output_of(data_dir).read_text()
    assert "RabbitMQ: given by address" in shown
    assert "PostgreSQL ended at once" in shown
    assert "postgres: " in shown  # from its log
    assert "MUSTER_DATABASE_URL" in shown


def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert run(tmp_path / "data", "up", "--servers-only").wait(30) == 1
    assert "MUSTER_DATA_DIR" in output_of(tmp_path / "data").read_text()
