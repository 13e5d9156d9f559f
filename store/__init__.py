"""Postgres: tables, queries, migrations, outbox. No mission logic."""
