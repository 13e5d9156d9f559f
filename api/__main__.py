"""`python -m api`: migrate, load the recipe files, and serve."""

import asyncio
import gc
import logging
import sys

from pydantic import SecretStr

from activities.registry import activity_types
from api.app import create_app
from api.imports import load_files
from api.server import serve
from api.token import ensure_token
from fleet.account_rights import rights_of
from fleet.accounts import Accounts
from missions.errors import PartUnavailable, UserError
from settings import Settings, read_settings
from store.account_rights import Standing
from store.database import Database
from store.migrate import upgrade

logger = logging.getLogger("api")


async def prepare(settings: Settings) -> None:
    """What must be there before the first request: tables, token, recipes of the configured files."""
    ensure_token(settings)
    await upgrade(settings)
    database = Database(settings)
    try:
        for path, imported in (await load_files(database, settings.recipe_files, activity_types())).items():
            logger.info(
                "%s: created %s, kept %s", path, ", ".join(imported.created) or "-", ", ".join(imported.kept) or "-"
            )
    finally:
        await database.close()


def main() -> None:
    """Run the API of this process's settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = read_settings()
    if not settings.database_url:
        sys.exit(
            "MUSTER_DATABASE_URL is not set: give the address of a PostgreSQL, or start everything with `muster up`"
        )
    try:
        asyncio.run(prepare(settings))
    except (UserError, PartUnavailable, RuntimeError) as error:
        sys.exit(f"the API does not start: {error}")
    accounts = Accounts(settings) if settings.amqp_url else None

    async def make_account(agent: Standing, password: SecretStr) -> None:
        assert accounts is not None
        rights = rights_of(settings, agent)
        await accounts.create(agent.uuid, password=password.get_secret_value(), rights=rights)

    # As the worker does: requests make many objects that die young, and what was imported stays.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    serve(create_app(settings, account_maker=make_account if accounts else None), settings)


if __name__ == "__main__":
    main()
