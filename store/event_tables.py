"""The tables of the log's outlets: how far each has come, and what could not be delivered."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text, text

from store.tables import Moment, metadata

# One row. Positions go on also when every event of before was archived.
event_log = Table(
    "event_log",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("last_position", BigInteger, nullable=False, server_default="0"),
    # Events up to here are archived and removed.
    Column("archived_position", BigInteger, nullable=False, server_default="0"),
)

event_outlets = Table(
    "event_outlets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),  # delivered up to here
    Column("error", Text),  # why it does not get on
    Column("error_since", Moment),
    Column("tries", Integer, nullable=False, server_default="0"),  # since it last got on
)
