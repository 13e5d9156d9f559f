"""Webhooks and their deliveries on the wire."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions.addresses import MAX_URL
from missions.event_filters import known_word
from missions.requests import MAX_ID, Id, Name, Request, SentTime, Words
from missions.webhook_schedule import DeliveryState
from missions.webhook_signatures import check_secret

_DAY = 86_400
_WEEK = 7 * _DAY

Url = Annotated[str, Field(min_length=1, max_length=MAX_URL)]
Types = Annotated[list[Annotated[Name, AfterValidator(known_word)]], Field(max_length=100)]
Position = Annotated[int, Field(ge=0, le=MAX_ID)]


def _good_secret(secret: SecretStr) -> SecretStr:
    check_secret(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, AfterValidator(_good_secret)]


class WebhookFields(Request):
    """What clients may set; only fields that were sent count."""

    url: Url = Field("", examples=["https://example.com/hooks"])
    description: Words | None = None
    types: Types = Field(
        default_factory=list, description="types of events, or families; none: all", examples=[["task.*"]]
    )
    mission_type: Name | None = Field(
        None, description="only events of missions of this recipe, or `mission-file`, `platform-command`"
    )
    mission_id: Id | None = Field(None, description="only events of this mission")
    enabled: bool = Field(True, description="disabled: events wait, and are sent when it is enabled again")

    def columns(self) -> dict[str, Any]:
        """The table's columns that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set if name in WebhookFields.model_fields}


class WebhookCreate(WebhookFields):
    """A new webhook."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/hooks", "types": ["task.*"]}]}
    )

    url: Url = Field(examples=["https://example.com/hooks"])
    secret: Secret | None = Field(None, description="`whsec_` and the base64 of 24 to 64 bytes; none: one is made")
    after: Position | None = Field(None, description="begin after this position of the log; none: at its end")

    def columns(self) -> dict[str, Any]:
        """The table's columns."""
        return {"types": self.types} | super().columns()


class WebhookPatch(WebhookFields):
    """Changes of a webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"types": ["task.failed"]}]})


class WebhookQuery(PageQuery):
    """Which webhooks to list."""

    enabled: bool | None = None


class From(StrEnum):
    """Where a webhook goes on."""

    STOPPED = "stopped"
    NOW = "now"


class Enable(Request):
    """How to go on."""

    from_: Annotated[From, Field(strict=False)] = Field(
        From.STOPPED, alias="from", description="where it stopped, or now: what it has not got is left out"
    )


class RotateSecret(Request):
    """The next secret."""

    overlap: float = Field(
        _DAY,
        ge=0,
        le=_WEEK,
        allow_inf_nan=False,
        description="seconds in which the present one signs too; one of before that still does ends at once",
    )
    secret: Secret | None = Field(None, description="`whsec_` and the base64 of 24 to 64 bytes; none: one is made")


class Replay(Request):
    """What to send again: one of `after`, `since`, `parked`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2030-01-31T06:00:00Z"}]})

    after: Position | None = Field(None, description="what the log has after this position")
    since: SentTime | None = Field(None, description="what happened since then; RFC 3339 with zone")
    parked: bool = Field(False, description="what is parked; with `after`: of what comes after that position")

    @model_validator(mode="after")
    def _one_choice(self) -> "Replay":
        if self.after is None and self.since is None and not self.parked:
            raise ValueError("nothing says what to send again; send `after`, `since` or `parked: true`")
        if self.parked and self.since is not None:
            raise ValueError("`since` and `parked` do not go together; send one of them")
        return self

    @property
    def start(self) -> datetime:
        """`since`, or before all events."""
        return self.since or datetime(1970, 1, 1, tzinfo=UTC)


class Replayed(Resource):
    """What is sent again."""

    count: int
    archived_until: int = Field(description="events up to this position of the log are archived, and never sent again")
    left_out: int = Field(description="with `parked`: so many stay parked, since their events are archived")
    next_after: int | None = Field(description="there may be more: ask again with it as `after`; null: this was all")


class Webhook(Resource):
    """A webhook. Its secret is shown only when it is made."""

    id: int = Field(examples=[1])
    url: str
    description: str | None
    types: list[str]
    mission_type: str | None
    mission_id: int | None
    enabled: bool
    disabled_reason: str | None = Field(description="why it was disabled; null: it was not, or by a client")
    disabled_at: Moment | None
    failing_since: Moment | None = Field(description="the first failed attempt since the last good one")
    not_before: Moment | None = Field(
        description="until then nothing is sent: it answered 429 or 503 with `Retry-After`; null, or past: it asks for"
        " no pause"
    )
    position: int = Field(description="events of the log up to here have their deliveries")
    previous_secret_until: Moment | None = Field(description="until then the secret of before signs too")
    created_at: Moment
    modified_at: Moment
    version: int = Field(description="also the ETag")


class EnabledWebhook(Webhook):
    """A webhook that was just enabled."""

    missed: int = Field(
        description="events of the log, of whatever type, that were archived before it could get them; it goes on after"
        " them"
    )


class WebhookWithSecret(Webhook):
    """A webhook whose secret was just made."""

    secret: str = Field(
        description="keep it: it is not shown again", examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )


class TestAnswer(Resource):
    """What came of a test message."""

    succeeded: bool
    status_code: int | None = Field(description="null: there was no answer")
    error: str | None
    duration_ms: float
    answer: str = Field(description="its first 200 characters")


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    state: DeliveryState | None = None
    type: Annotated[QueryText, AfterValidator(known_word)] | None = Field(None, description="type of event, or family")
    mission_id: Id | None = None


class Attempt(Resource):
    """One attempt."""

    at: Moment
    status_code: int | None = Field(description="null: there was no answer")
    error: str | None
    duration_ms: float
    answer: str = Field(description="its first 200 characters")


class Delivery(Resource):
    """An event on its way to a webhook."""

    id: int
    sequence: int = Field(description="the event's position in the log")
    event_type: str
    work_process_id: int | None = Field(alias="missionId")
    state: DeliveryState
    tries: int = Field(description="attempts since it was made or replayed")
    next_attempt_at: Moment | None = Field(
        description="null while pending: an earlier event of its mission comes first"
    )
    error: str | None = Field(description="of the last attempt")
    delivered_at: Moment | None
    created_at: Moment
    attempts: list[Attempt]
