"""A database of the fault tests' own: its log is not one that Muster wrote."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from cli.stack.addresses import Addresses
from settings import Settings
from store.database import Database
from store.migrate import upgrade


@pytest.fixture(scope="session")
async def settings(services: Addresses) -> AsyncIterator[Settings]:
    name = f"muster_faults_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    url = make_url(services.database_url).set(database=name).render_as_string(hide_password=False)
    settings = Settings(database_url=url)
    await upgrade(settings)
    yield settings
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()
