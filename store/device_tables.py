"""The tables of platforms and of what is run on them: mission files, their threads, the events these wait for."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)

from store.tables import Json, Moment, metadata

# What stands of an agent that is a platform: its state machine is Muster's own.
platforms = Table(
    "platforms",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("state", Text, nullable=False, server_default="UNINITIALIZED"),
    Column("saved_state", Text),  # to return to when the last mission ends
    # The command that was to change its state last; under way as long as this work process is open.
    Column("command_id", ForeignKey("work_processes.id", ondelete="SET NULL"), index=True),
    Column("changed_at", Moment, nullable=False, server_default=func.now()),
)

# What stands of an agent that is an instrument: what it last said of itself.
instruments = Table(
    "instruments",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("state", Text),
    Column("changed_at", Moment, nullable=False, server_default=func.now()),
    Column("reported_at", Moment),  # when it last told it in a report on a command, by its own clock
)

# Runs of mission files, beside their work process.
mission_files = Table(
    "mission_files",
    metadata,
    Column("work_process_id", ForeignKey("work_processes.id", ondelete="CASCADE"), primary_key=True),
    Column("platform_id", ForeignKey("agents.id"), nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("content", Text, nullable=False),  # the YAML, as it came
    Column("plan", Json, nullable=False),
    Column("devices", Json, nullable=False),  # ids as the plan writes them: the agents they stand for
    # The mission's time: `anchor` at `anchored_at`, and from there `time_scale` times as fast as the clock.
    Column("anchored_at", Moment, nullable=False, server_default=func.now()),
    Column("anchor", Moment, nullable=False, server_default=func.now()),
    Column("time_scale", Double, nullable=False, server_default="1"),
    Column("running", Boolean, nullable=False, server_default=text("true")),
    Column("thread_count", Integer, nullable=False),
    # One mission of an id at a time.
    Index("uq_mission_files_running", "platform_id", "plan_id", unique=True, postgresql_where=text("running")),
    Index("ix_mission_files_platform", "platform_id", "work_process_id"),
)

mission_threads = Table(
    "mission_threads",
    metadata,
    Column("work_process_id", ForeignKey("mission_files.work_process_id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False, server_default="not_started"),  # store/mission_threads.py has the words
    Column("workflow_id", Text, nullable=False),
    Column("loop", Integer, nullable=False, server_default="0"),  # sequences that have started
    Column("loops_ended", Integer, nullable=False, server_default="0"),
    Column("command", Text),  # what runs, as the file says it
    Column("next_start_at", Moment),  # in the mission's time
    Column("error", Text),  # of the last command that failed
    # What an event-driven thread waits for: its source, and whether events are kept for it (null: not yet; false: no
    # more, for good).
    Column("source_id", BigInteger),
    Column("event", Text),
    Column("armed", Boolean),
    Column("asleep", Boolean, nullable=False, server_default=text("false")),  # to be woken by the next one
    PrimaryKeyConstraint("work_process_id", "number"),
    Index("ix_mission_threads_armed", "source_id", "event", postgresql_where=text("armed")),
)

# What was raised for a thread while it was armed, until it is served.
thread_events = Table(
    "thread_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("work_process_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("raised_at", Moment, nullable=False, server_default=func.now()),
    Column("taken_as", Integer),  # the how-manieth of its thread: a try that is repeated finds it
    Index("ix_thread_events_thread", "work_process_id", "number", "id"),
)
