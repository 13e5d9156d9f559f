"""The fixtures that give tests their services."""

import aio_pika
import asyncpg
import pytest
from temporalio.client import Client

from tests.support.services import WorkerAddresses


async def test_each_worker_has_a_database_a_vhost_and_a_namespace_of_its_own(
    worker_addresses: WorkerAddresses,
) -> None:
    connection = await asyncpg.connect(worker_addresses.database_url)
    assert (await connection.fetchval("SELECT current_database()")).startswith("muster_test_")
    await connection.close()
    async with await aio_pika.connect(worker_addresses.amqp_url) as broker:
        channel = await broker.channel()
        await channel.declare_queue("mine", auto_delete=True)
    client = await Client.connect(worker_addresses.temporal_address, namespace=worker_addresses.temporal_namespace)
    handle = await client.start_workflow("Nobody", id="mine", task_queue="nobody")
    await handle.terminate()


@pytest.mark.usefixtures("services")
def test_tests_that_use_services_are_marked(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("stack")
