"""The tables. They carry helyOS's columns (so that its users find theirs) and Muster's own.

Lock order everywhere: mission queue, work process, agents by id, reservations; batches sort the same way.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from missions.statuses import (
    AssignmentStatus,
    FailurePolicy,
    InstantActionChannel,
    InstantActionStatus,
    QueueStatus,
    ServiceRequestStatus,
    WorkProcessStatus,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MISSION_ENDED = "status IN ('succeeded', 'failed', 'canceled')"
MISSION_NOT_ENDED = "status NOT IN ('succeeded', 'failed', 'canceled')"
MISSION_OPEN = "status NOT IN ('draft', 'succeeded', 'failed', 'canceled')"
"""In these words, and not as parameters, a query may use the partial index that is made with them."""

Moment = DateTime(timezone=True)
Json = JSONB(none_as_null=True)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _created() -> Column[object]:
    return Column("created_at", Moment, nullable=False, server_default=func.now())


def _modified() -> Column[object]:
    return Column("modified_at", Moment, nullable=False, server_default=func.now(), onupdate=func.now())


def _one_of(column: str, words: type) -> CheckConstraint:
    allowed = ", ".join(f"'{word}'" for word in words)  # type: ignore[attr-defined]  # a StrEnum class
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


installation = Table(
    "installation",
    metadata,
    # Part of every workflow id, so that a restored or second database never meets old runs.
    Column("id", Text, primary_key=True),
    _created(),
)

yards = Table(
    "yards",
    metadata,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("description", Text),
    Column("source", Text),
    Column("yard_type", Text),
    Column("map_data", Json),
    Column("lat", Double),
    Column("lon", Double),
    Column("alt", Double),
    Column("data_format", Text),
    Column("unit", Text),
    Column("coordinate_frame", Text),
    _created(),
    _modified(),
    Column("deleted_at", Moment),
)

map_objects = Table(
    "map_objects",
    metadata,
    _id(),
    Column("yard_id", ForeignKey("yards.id"), nullable=False, index=True),
    Column("type", Text),
    Column("name", Text),
    Column("data", Json),
    Column("data_format", Text),
    Column("metadata", Json),
    _created(),
    _modified(),
    Column("deleted_at", Moment),
)

agents = Table(
    "agents",
    metadata,
    _id(),
    Column("uuid", Text, nullable=False, unique=True),
    Column("yard_id", ForeignKey("yards.id")),
    Column("name", Text),
    Column("code", Text),
    Column("description", Text),
    Column("agent_class", Text, nullable=False, server_default="vehicle"),
    Column("agent_type", Text),
    Column("alias", Text, unique=True),  # another name, such as mission files write: `PRE:…`
    Column("parent_id", ForeignKey("agents.id", ondelete="SET NULL"), index=True),  # the platform of an instrument
    Column("protocol", Text, nullable=False, server_default="AMQP"),
    Column("message_channel", Text),
    Column("is_actuator", Boolean, nullable=False, server_default=text("true")),
    Column("is_simulator", Boolean, nullable=False, server_default=text("false")),
    Column("stream_url", Text),
    Column("operation_types", ARRAY(Text), nullable=False, server_default="{}"),
    Column("acknowledge_reservation", Boolean, nullable=False, server_default=text("true")),
    Column("idempotent", Boolean, nullable=False, server_default=text("false")),
    # Account and signatures
    Column("has_rbmq_account", Boolean, nullable=False, server_default=text("false")),
    Column("rights_changed_at", Moment),  # its account is still to be given the rights that it has now
    Column("rbmq_username", Text),
    Column("allow_anonymous_checkin", Boolean, nullable=False, server_default=text("true")),
    Column("public_key", Text),
    Column("public_key_format", Text),
    Column("verify_signature", Boolean, nullable=False, server_default=text("false")),
    Column("read_permissions", Text),
    Column("write_permissions", Text),
    Column("configure_permissions", Text),
    # Volatile: what the agent last said. Not indexed, so that the many updates stay in their page (HOT).
    Column("status", Text),
    Column("status_since", Moment),
    Column("state_at", Moment),
    Column("resources", Json),
    Column("reported_assignment_id", BigInteger),
    Column("reported_work_process_id", BigInteger),  # that it says it is reserved for
    Column("last_message_time", Moment),
    Column("x", Double),
    Column("y", Double),
    Column("z", Double),
    Column("orientations", ARRAY(Double)),
    # Volatile: what Muster found out about it. `available`: whether requests that name it may claim their agents,
    # as store/waiting_line.py last saw it.
    Column("available", Boolean, nullable=False, server_default=text("false")),
    # What it can do now, likewise: the types that it reports, else those that it was registered with.
    Column("able_to", ARRAY(Text), nullable=False, server_default="{}"),
    # Its yard, class and type, likewise: whom `agentSelector`s may choose.
    Column("seen_as", Text),
    Column("rate_limited_at", Moment),  # when it last said more than it may, so that the excess was dropped
    Column("not_listening_since", Moment),
    # How often in a row, and until when its own word does not count: a deaf agent may talk on.
    Column("not_listening_count", Integer, nullable=False, server_default="0"),
    Column("listen_again_at", Moment),
    Column("quarantined_since", Moment),
    Column("quarantine_reason", Text),
    _created(),
    _modified(),
    Index("ix_agents_rights_changed", "id", postgresql_where=text("rights_changed_at IS NOT NULL")),
    postgresql_with={"fillfactor": 50},
)

# Big JSON of an agent, apart from the row that every state message rewrites.
agent_details = Table(
    "agent_details",
    metadata,
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("factsheet", Json),
    Column("geometry", Json),
    Column("sensors", Json),
    Column("sensors_data_format", Text),
    Column("geometry_data_format", Text),
    Column("data_format", Text),
    Column("unit", Text),
    Column("coordinate_frame", Text),
    Column("reference_point", Text),
    Column("assignment", Json),
    Column("picture", Text),
    _modified(),
)

# Who drives whom: a trailer follows its truck.
agents_interconnections = Table(
    "agents_interconnections",
    metadata,
    _id(),
    Column("leader_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    Column("follower_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("connection_geometry", Json),
    _created(),
    UniqueConstraint("leader_id", "follower_id"),
)

# Commands to agents outside of assignments.
instant_actions = Table(
    "instant_actions",
    metadata,
    _id(),
    Column("yard_id", BigInteger),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("agent_uuid", Text, nullable=False),
    Column("work_process_id", BigInteger),  # the mission whose planner asked for it
    Column("sender", Text),
    Column("command", Text, nullable=False),
    Column("channel", Text, nullable=False, server_default=InstantActionChannel.INSTANT_ACTIONS),
    Column("result", Json),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("created_by", Json, nullable=False),
    Column("claimed_until", Moment),  # by the sender that has it in hand
    Column("sent_at", Moment),
    Column("acknowledged_at", Moment),
    _created(),
    Index("ix_instant_actions_to_send", "id", postgresql_where=text("status = 'to_send'")),
    Index("ix_instant_actions_of_agent", "agent_id", "id", postgresql_where=text("status = 'to_send'")),
    _one_of("status", InstantActionStatus),
    _one_of("channel", InstantActionChannel),
)

mission_queues = Table(
    "mission_queue",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("description", Text),
    Column("stop_on_failure", Boolean, nullable=False, server_default=text("false")),
    Column("sched_start_at", Moment),
    Column("sched_end_at", Moment),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    _created(),
    _modified(),
    # Muster's own
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_by", Json, nullable=False),
    # The mission that it started or found running, also after its end, until the next one. No foreign key: missions
    # refer to queues already.
    Column("current_mission_id", BigInteger),
    Column("failure", Json),  # which mission stopped it
    Column("workflow_id", Text),
    _one_of("status", QueueStatus),
)

work_process_types = Table(
    "work_process_type",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("num_max_agents", Integer),
    Column("max_concurrent", Integer),
    Column("dispatch_order", Json),
    Column("settings", Json),
    Column("extra_params", Json),
    Column("on_assignment_failure", Text, nullable=False, server_default=FailurePolicy.FAIL_MISSION),
    Column("fallback_mission", Text),
    Column("options", Json, nullable=False, server_default="{}"),
    _created(),
    _modified(),
    Column("version", Integer, nullable=False, server_default="1"),
)

recipe_steps = Table(
    "work_process_service_plan",
    metadata,
    _id(),
    Column("work_process_type_id", ForeignKey("work_process_type.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("uses", Text, nullable=False, server_default="microservice"),
    Column("request_order", Integer),
    Column("agent", Text),
    Column("service_type", Text),
    Column("service_config", Json),
    Column("input", Json, nullable=False, server_default="{}"),
    Column("depends_on_steps", ARRAY(Text)),
    Column("is_result_assignment", Boolean, nullable=False, server_default=text("true")),
    Column("wait_dependencies_assignments", Boolean, nullable=False, server_default=text("true")),
    Column("timeout", Double),
    UniqueConstraint("work_process_type_id", "step"),
)

services = Table(
    "services",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("service_type", Text, nullable=False),
    Column("service_url", Text, nullable=False),
    Column("class", Text, nullable=False, server_default="Assignment planner"),
    Column("health_endpoint", Text),
    Column("licence_key", Text),
    Column("ca_certification", Text),
    Column("config", Json),
    Column("description", Text),
    Column("is_dummy", Boolean, nullable=False, server_default=text("false")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("unhealthy", Boolean, nullable=False, server_default=text("false")),
    Column("health_text", Text),  # what the health endpoint answered last
    Column("health_since", Moment),
    Column("health_checked_at", Moment),
    Column("availability_timeout", Integer, nullable=False, server_default="180"),
    Column("result_timeout", Integer, nullable=False, server_default="180"),
    Column("require_agents_data", Boolean, nullable=False, server_default=text("true")),
    Column("require_mission_agents_data", Boolean, nullable=False, server_default=text("true")),
    Column("require_map_data", Boolean, nullable=False, server_default=text("true")),
    Column("require_map_objects", ARRAY(Text), nullable=False, server_default="{__all__}"),
    _created(),
    _modified(),
    Column("version", Integer, nullable=False, server_default="1"),
    # helyOS: one enabled service for each type
    Index("uq_services_enabled_type", "service_type", unique=True, postgresql_where=text("enabled")),
)

work_processes = Table(
    "work_processes",
    metadata,
    _id(),
    Column("work_process_type_id", ForeignKey("work_process_type.id", ondelete="SET NULL")),
    Column("work_process_type_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("description", Text),
    Column("process_type", Text),
    Column("yard_id", ForeignKey("yards.id")),  # one without agents may need none
    Column("yard_uid", Text),
    Column("data", Json),
    Column("agent_ids", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("agent_uuids", ARRAY(Text), nullable=False, server_default="{}"),
    Column("agent_selector", Json),  # instead of named agents; `agent_ids` are then those that it chose
    Column("tools_uuids", ARRAY(Text)),
    Column("operation_types_required", ARRAY(Text), nullable=False, server_default="{}"),
    Column("wait_free_agent", Boolean, nullable=False, server_default=text("true")),
    Column("on_assignment_failure", Text, nullable=False, server_default=FailurePolicy.DEFAULT),
    Column("fallback_mission", Text, nullable=False, server_default="DEFAULT"),
    Column("mission_queue_id", ForeignKey("mission_queue.id", ondelete="SET NULL")),
    Column("run_order", Integer),
    Column("sched_start_at", Moment),
    Column("sched_end_at", Moment),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    _created(),
    _modified(),
    # Muster's own
    Column("version", Integer, nullable=False, server_default="1"),  # the ETag
    Column("priority", Integer, nullable=False, server_default="20"),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("max_retries", Integer),  # attempts in all; none: the recipe's, fixed at dispatch
    Column("next_attempt_at", Moment),
    Column("options", Json, nullable=False, server_default="{}"),
    Column("settings", Json),  # the recipe's, as they were at dispatch
    Column("pause", Text, nullable=False, server_default="none"),
    Column("pause_mode", Text),
    Column("pause_actions", ARRAY(BigInteger), nullable=False, server_default="{}"),  # what its agents were told
    Column("waiting_reasons", Json, nullable=False, server_default="[]"),
    Column("attention", Json, nullable=False, server_default="[]"),
    Column("failure", Json),
    Column("cancel_requested_at", Moment),
    Column("cancel_reason", Text),
    Column("cancel_requested_by", Json),
    Column("halt", Boolean, nullable=False, server_default=text("false")),
    Column("created_by", Json, nullable=False),
    Column("dispatched_at", Moment),
    Column("workflow_id", Text, unique=True),
    Column("run_id", Text),
    Column("event_count", Integer, nullable=False, server_default="0"),
    _one_of("status", WorkProcessStatus),
    Index("ix_work_processes_listing", "status", text("id DESC")),
    Index(
        "ix_work_processes_queue",
        "mission_queue_id",
        "run_order",
        "id",
        postgresql_where=text("mission_queue_id IS NOT NULL"),
    ),
    # A queue that grows for ever finds its next draft, and what runs of it, without reading its past.
    Index(
        "ix_work_processes_queue_open",
        "mission_queue_id",
        "run_order",
        "id",
        postgresql_where=text(f"mission_queue_id IS NOT NULL AND {MISSION_NOT_ENDED}"),
    ),
    Index(
        "ix_work_processes_open",
        "id",
        postgresql_where=text(MISSION_OPEN),
    ),
)

service_requests = Table(
    "service_requests",
    metadata,
    _id(),
    Column("work_process_id", ForeignKey("work_processes.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("uses", Text, nullable=False),
    Column("preset", Json, nullable=False),
    Column("depends_on_steps", ARRAY(Text), nullable=False, server_default="{}"),
    Column("service_id", BigInteger),
    Column("service_type", Text),
    Column("service_url", Text),
    Column("service_class", Text),
    Column("health_endpoint", Text),
    Column("availability_timeout", Double),
    Column("licence_key", Text),
    Column("is_dummy", Boolean),
    Column("input", Json, nullable=False, server_default="{}"),
    Column("request", Json),
    Column("config", Json),
    Column("response", Json),
    Column("request_uid", Text),
    Column("status", Text, nullable=False),
    Column("failure", Json),
    Column("result_timeout", Double),
    Column("require_agents_data", Boolean),
    Column("require_mission_agents_data", Boolean),
    Column("require_map_data", Boolean),
    Column("require_map_objects", ARRAY(Text)),
    Column("is_result_assignment", Boolean, nullable=False, server_default=text("true")),
    Column("wait_dependencies_assignments", Boolean, nullable=False, server_default=text("true")),
    Column("assignment_dispatched", Boolean, nullable=False, server_default=text("false")),
    Column("dispatched_at", Moment),
    Column("result_at", Moment),
    _created(),
    _modified(),
    UniqueConstraint("work_process_id", "attempt", "step"),
    _one_of("status", ServiceRequestStatus),
)

assignments = Table(
    "assignments",
    metadata,
    _id(),
    Column("work_process_id", ForeignKey("work_processes.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("result_index", Integer, nullable=False),
    Column("dispatch_group", Integer, nullable=False),
    Column("yard_id", BigInteger),
    Column("service_request_id", ForeignKey("service_requests.id", ondelete="CASCADE")),
    Column("agent_id", ForeignKey("agents.id"), nullable=False),
    Column("workflow_id", Text, nullable=False),  # who waits for its reports
    Column("data", Json),
    Column("context", Json),
    Column("result", Json),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("start_time_stamp", Text),
    Column("depend_on_assignments", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("next_assignments", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("on_assignment_failure", Text, nullable=False, server_default=FailurePolicy.DEFAULT),
    Column("fallback_mission", Text, nullable=False, server_default="DEFAULT"),
    # The intent is committed before the publish; `dispatched_at` after the broker's confirm. An intent without
    # a dispatch is an unknown outcome: the agent's report decides.
    Column("intent_at", Moment),
    Column("dispatched_at", Moment),
    Column("first_report_at", Moment),
    Column("cancel_sent_at", Moment),
    Column("cancels_sent", Integer, nullable=False, server_default="0"),
    Column("cancel_requested_by", Json),  # by whom this one alone
    Column("released_at", Moment),  # its agent, before the mission's end
    Column("substitute_id", BigInteger),  # the agent that is reserved to take it over
    Column("reassigned_to", BigInteger),  # the assignment that took its place
    Column("ended_at", Moment),
    Column("late_reports", Integer, nullable=False, server_default="0"),
    _created(),
    _modified(),
    UniqueConstraint("work_process_id", "attempt", "step", "result_index"),
    Index("ix_assignments_service_request", "service_request_id"),
    # What came back: few, for an intent is committed with `to_dispatch`.
    Index("ix_assignments_unheard", "agent_id", postgresql_where=text("status = 'to_dispatch' AND intent_at IS NULL")),
    Index(
        "ix_assignments_at_agent",
        "agent_id",
        postgresql_where=text("status IN ('executing', 'active', 'canceling')"),
    ),
    _one_of("status", AssignmentStatus),
)

# A request for agents, waiting or granted: one per attempt, so that a retried activity finds its own.
reservation_requests = Table(
    "reservation_requests",
    metadata,
    _id(),
    Column("work_process_id", ForeignKey("work_processes.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Text, nullable=False),  # waiting, granted, ended
    Column("priority", Integer, nullable=False),
    Column("enqueued_at", Moment, nullable=False),
    Column("score_key", Moment, nullable=False),
    Column("round", Integer, nullable=False, server_default="0"),  # how often it was granted
    # The workflow waits for a signal; until then the activity that asked the agents waits itself.
    Column("handed_over", Boolean, nullable=False, server_default=text("false")),
    Column("granted_at", Moment),
    Column("score", Double),  # at the grant
    UniqueConstraint("work_process_id", "attempt"),
    CheckConstraint("status IN ('waiting', 'granted', 'ended')", name="status"),
)

reservation_request_agents = Table(
    "reservation_request_agents",
    metadata,
    Column("request_id", ForeignKey("reservation_requests.id", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ForeignKey("agents.id"), primary_key=True),
    Column("score_key", Moment, nullable=False),
    # In the agent's line: the request waits and none of its agents is unavailable.
    Column("claims", Boolean, nullable=False),
    Index("ix_reservation_line", "agent_id", "score_key", "request_id", postgresql_where=text("claims")),
)

# What a request wants whose agents the system chooses; one line for each yard.
reservation_selectors = Table(
    "reservation_selectors",
    metadata,
    Column("request_id", ForeignKey("reservation_requests.id", ondelete="CASCADE"), primary_key=True),
    Column("yard_id", ForeignKey("yards.id"), nullable=False),
    Column("score_key", Moment, nullable=False),
    Column("count", Integer, nullable=False),
    Column("agent_class", Text, nullable=False),
    Column("agent_type", Text),
    Column("operation_types", ARRAY(Text), nullable=False),
    Column("battery_above", Double),
    Column("x", Double),
    Column("y", Double),
    # Whom it chose and who did not answer: these it takes last.
    Column("unanswered", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("waiting", Boolean, nullable=False, server_default=text("true")),
    # In the line: it waits, and enough agents that would do are available.
    Column("claims", Boolean, nullable=False, server_default=text("false")),
    Index("ix_reservation_selectors_line", "yard_id", "score_key", "request_id", postgresql_where=text("waiting")),
)

reservations = Table(
    "reservations",
    metadata,
    Column("agent_id", ForeignKey("agents.id"), primary_key=True),
    Column("work_process_id", ForeignKey("work_processes.id"), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("granted_at", Moment, nullable=False, server_default=func.now()),
    Column("reserve_sent_at", Moment),
    Column("ready_at", Moment),
    Column("round", Integer),  # of a substitute's own, whose `ready` is awaited alone; else that of its request
)

# A mission without agents that runs, or waits until it may: one row for an attempt, deleted at its end.
slots = Table(
    "slots",
    metadata,
    _id(),
    Column("work_process_id", ForeignKey("work_processes.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("type_name", Text, nullable=False),  # of its recipe, whose limit is looked up by it
    Column("held", Boolean, nullable=False),  # else it waits in line
    Column("enqueued_at", Moment, nullable=False),
    Column("score_key", Moment, nullable=False),
    UniqueConstraint("work_process_id", "attempt"),
    Index("ix_slots_line", "type_name", "score_key", "id", postgresql_where=text("NOT held")),
    Index("ix_slots_held", "type_name", postgresql_where=text("held")),
)

# How many missions without agents may run at once: one row, if somebody ever said.
slot_limits = Table(
    "slot_limits",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("overall", Integer),
    Column("changed_by", Json, nullable=False),
    _modified(),
    CheckConstraint('"only"', name="only"),
)

# A mission that looks for an agent in place of a silent one; the row goes when it is woken, or needs none.
substitute_searches = Table(
    "substitute_searches",
    metadata,
    Column("assignment_id", ForeignKey("assignments.id", ondelete="CASCADE"), primary_key=True),
    Column("silent_id", BigInteger, nullable=False),
    Column("yard_id", ForeignKey("yards.id"), nullable=False, index=True),
    Column("agent_class", Text, nullable=False),
    Column("agent_type", Text),
    Column("operation_types", ARRAY(Text), nullable=False),
    Column("battery_above", Double),
)

# Whatever must wake, start or cancel a workflow: written with its cause, deleted once it was delivered.
wakeups = Table(
    "wakeups",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),  # start, run_queue, cancel, signal
    Column("workflow_id", Text, nullable=False),
    Column("work_process_id", BigInteger),
    Column("signal", Text),
    Column("payload", Json, nullable=False, server_default="{}"),
    _created(),
    Column("error", Text),  # recorded and never retried
)

events = Table(
    "events",
    metadata,
    _id(),
    Column("uuid", UUID(as_uuid=False), nullable=False),
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text),
    Column("timestamp", Moment, nullable=False),
    Column("payload", Json, nullable=False),
    Column("work_process_id", BigInteger),
    Column("correlation_id", Text),
    Column("causation_id", Text),
    Column("severity", Text, nullable=False),
    Column("actor", Json, nullable=False),
    Column("source_module", Text, nullable=False),
    Column("sequence", BigInteger, unique=True),
    Column("mission_sequence", Integer),
    Column("attempt", Integer),
    Column("transition", Integer),
    UniqueConstraint("work_process_id", "mission_sequence"),
    # A status change is written once, however often its activity is tried.
    Index(
        "uq_events_transition",
        "work_process_id",
        "attempt",
        "transition",
        unique=True,
        postgresql_where=text("transition IS NOT NULL"),
    ),
    # Readers of the log: by type, from a time on, and what went wrong.
    Index("ix_events_type", "type", "sequence"),
    Index("ix_events_timestamp", "timestamp"),
    Index("ix_events_severity", "severity", "sequence", postgresql_where=text("severity <> 'INFO'")),
    Index("ix_events_unsequenced", "id", postgresql_where=text("sequence IS NULL")),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("made", ARRAY(BigInteger), nullable=False),  # ids of what it made or changed, of the route's sort
    Column("expires_at", Moment),  # none: never
    _created(),
    Index("ix_idempotency_keys_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

# What intake refused or noted as late, counted by reason.
message_counts = Table(
    "message_counts",
    metadata,
    Column("outcome", Text, primary_key=True),  # dead_lettered, late
    Column("reason", Text, primary_key=True),
    Column("count", BigInteger, nullable=False, server_default="0"),
    Column("last_at", Moment, nullable=False, server_default=func.now()),
)

# What was repaired behind missions, counted by kind (missions/repairs.py).
repairs = Table(
    "repairs",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("count", BigInteger, nullable=False, server_default="0"),
    Column("last_at", Moment, nullable=False, server_default=func.now()),
)

# The worker processes that live, or did until lately.
role_heartbeats = Table(
    "role_heartbeats",
    metadata,
    Column("process", Text, primary_key=True),
    Column("roles", ARRAY(Text), nullable=False),
    Column("waits", Json, nullable=False, server_default="{}"),  # role: what of it has not begun yet, and why
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Moment, nullable=False, server_default=func.now()),
    Column("seen_at", Moment, nullable=False, server_default=func.now()),
)
