"""The tables of webhooks: who gets which events, what is on its way, and each attempt."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from missions.webhook_schedule import DeliveryState
from store.tables import Moment, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("types", ARRAY(Text), nullable=False),  # exact types or families, `task.*`; none: all
    Column("mission_type", Text),  # only events of missions of this recipe or kind
    Column("mission_id", BigInteger),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_reason", Text),  # none: a client disabled it
    Column("disabled_at", Moment),
    Column("failing_since", Moment),  # the first failure since the last success
    Column("not_before", Moment),  # the receiver asked for this pause
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_secret_until", Moment),
    Column("position", BigInteger, nullable=False),  # events up to here have their deliveries
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("modified_at", Moment, nullable=False, server_default=func.now()),
)

# Who writes them locks the webhook's row first, in a statement of its own: of a mission's pending ones only the first
# has a `next_attempt_at`.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("webhook_id", BigInteger, nullable=False),  # those of a deleted one are removed bit by bit
    Column("sequence", BigInteger, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("work_process_id", BigInteger),
    Column("state", Text, nullable=False, server_default=DeliveryState.PENDING.value),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Moment),  # none: waits for an earlier event of its mission, or is not pending
    Column("error", Text),
    Column("delivered_at", Moment),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    UniqueConstraint("webhook_id", "sequence"),
    CheckConstraint(f"state IN ({', '.join(repr(state.value) for state in DeliveryState)})", name="state"),
    Index("ix_webhook_deliveries_due", "webhook_id", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    Index(
        "ix_webhook_deliveries_line",
        "webhook_id",
        "work_process_id",
        "sequence",
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_webhook_deliveries_open", "webhook_id", "state", "sequence", postgresql_where=text("state <> 'delivered'")
    ),
    Index("ix_webhook_deliveries_delivered_at", "delivered_at", postgresql_where=text("state = 'delivered'")),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("delivery_id", BigInteger, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("status_code", Integer),  # none: no answer
    Column("error", Text),
    Column("duration_ms", Double, nullable=False),
    Column("answer", Text, nullable=False),  # its first characters
    Index("ix_webhook_attempts_delivery_id", "delivery_id"),
)
