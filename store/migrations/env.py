"""How Alembic runs our migrations: on the connection that `store.migrate` hands over."""

from alembic import context

from store import device_tables, event_tables, webhook_tables  # noqa: F401  # their tables are in the metadata too
from store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
