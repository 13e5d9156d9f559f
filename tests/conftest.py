"""Fixtures that every test may ask for."""

import os
import secrets
from collections.abc import AsyncIterator

import pytest

from cli.stack.addresses import Addresses
from settings import Settings
from store import migrate
from store.database import Database
from tests.support import services as test_services
from tests.support.event_log import check_events
from tests.support.services import WorkerAddresses
from tests.support.site import Site, running_site


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the one pytest that owns the run, not an xdist worker
        test_services.announce()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        test_services.shut_down()


# Each takes half a minute or more: begun last, one would run on while the other pytest worker has nothing left to do.
LONG = (
    "demos/test_demo",
    "mission_files/test_worker_killed",
    "upgrade/test_upgrade",
    "kills/test_kill_and_resume",
    "cli/test_stack_lifecycle",
    "images/test_dockerfile_steps",
    "workflows/test_cancel",
    "api/test_start",
)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "services" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, bool]:
    """The long files first; what needs no server last, for it is quick and fills the rest of the time."""
    file = f"{item.path.parent.name}/{item.path.stem}"
    return LONG.index(file) if file in LONG else len(LONG), item.get_closest_marker("stack") is None


@pytest.fixture(scope="session")
def services() -> Addresses:
    """PostgreSQL, RabbitMQ and Temporal, shared by the whole run."""
    return test_services.find()


@pytest.fixture(scope="session")
async def worker_addresses(services: Addresses) -> AsyncIterator[WorkerAddresses]:
    """A database, a vhost and a Temporal namespace that no other pytest worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    async with test_services.private_part_of(services, f"muster_test_{worker}_{secrets.token_hex(3)}") as own:
        yield own


@pytest.fixture(scope="session")
async def site(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A whole Muster, shared by this pytest worker's tests of workflows and of the programs around it."""
    async with running_site(services, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="session")
async def database(worker_addresses: WorkerAddresses) -> AsyncIterator[Database]:
    """This pytest worker's database with our tables; folders that want rows in it, or none, have their own fixture."""
    settings = Settings(database_url=worker_addresses.database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    yield database
    try:
        await check_events(database)
    finally:
        await database.close()
