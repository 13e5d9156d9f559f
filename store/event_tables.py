"""The tables of the log's outlets: how far each has come, and what could not be delivered."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from store.tables import Json, Moment, metadata

# One row. Positions go on also when every event of before was archived.
event_log = Table(
    "event_log",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("last_position", BigInteger, nullable=False, server_default="0"),
    # Events up to here are archived and removed.
    Column("archived_position", BigInteger, nullable=False, server_default="0"),
    Column("archive_error", Text),  # why no more are
    Column("archive_error_since", Moment),
)

# How many events there were: counted as they get their positions, for the log forgets.
event_counts = Table(
    "event_counts",
    metadata,
    Column("type", Text, primary_key=True),  # task.* only
    Column("severity", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
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

# An event that an outlet could not deliver while others passed. It is here whole: the log may have archived it.
parked_events = Table(
    "parked_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("outlet", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("event_id", UUID(as_uuid=False), nullable=False),
    Column("type", Text, nullable=False),
    Column("event", Json, nullable=False),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("parked_at", Moment, nullable=False, server_default=text("now()")),
    Column("replay_requested_at", Moment),
    Column("replay_requested_by", Json),
    Column("replayed_at", Moment),
    UniqueConstraint("outlet", "sequence"),
    Index("ix_parked_events_parked", "outlet", postgresql_where=text("replayed_at IS NULL")),
    Index("ix_parked_events_to_replay", "outlet", "id", postgresql_where=text("replay_requested_at IS NOT NULL")),
)
