"""What agents say, inside their messages: each kind of body read into a model, or refused with its reason.

Fields that are not known are let pass: agents may say more to others.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from fleet.wire import BadMessage, Inner, Reason
from missions.errors import UserError
from missions.requests import find_unstorable

_MOST_DIGITS = len(str(2**63))

DatabaseId = Annotated[int, Field(ge=0, le=2**63 - 1)]
Body = TypeVar("Body", bound=BaseModel)
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AssignmentBody(_Body):
    """An agent's report on one assignment."""

    id: DatabaseId | None = None
    status: str | None = None
    result: Any = None

    @model_validator(mode="before")
    @classmethod
    def _older_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("assignment_status"), dict):
            return value["assignment_status"]
        return value


class InstantActionBody(_Body):
    """An agent's word on a `custom_action`, by the id in its metadata. Not of helyOS, whose agents have none."""

    id: DatabaseId
    status: str = ""
    result: Any = None


class StateBody(_Body):
    """Body of `agent_state`."""

    status: str
    resources: dict[str, Any] | None = None
    assignment: AssignmentBody | None = None
    wp_clearance: dict[str, Any] | None = None
    instant_action: InstantActionBody | None = None

    @field_validator("instant_action", mode="wrap")
    @classmethod
    def _or_nothing(cls, value: Any, read: ValidatorFunctionWrapHandler) -> InstantActionBody | None:
        # Other software may use the word for something else: that must not cost the agent its state.
        try:
            return cast(InstantActionBody | None, read(value))
        except ValidationError:
            return None

    @field_validator("status")
    @classmethod
    def _lower(cls, status: str) -> str:
        return status.lower()

    @property
    def work_process_id(self) -> int | None:
        """The mission that the agent says it is reserved for; ids come as numbers or as text."""
        for source, names in (
            (self.resources, ("work_process_id",)),
            (self.wp_clearance, ("work_process_id", "wp_id")),
        ):
            for name in names:
                value = (source or {}).get(name)
                if isinstance(value, str | int) and not isinstance(value, bool) and str(value).isdecimal():
                    # int() raises for thousands of digits.
                    return int(value) if len(str(value)) <= _MOST_DIGITS and int(value) < 2**63 else None
        return None


class EventBody(_Body):
    """Body of `agent_event`: something that happened at an instrument or a platform (design 7)."""

    event_id: str = Field(min_length=1, max_length=200)
    value: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the event is called: a thread that waits for either is meant."""
        return (self.event_id, self.value) if isinstance(self.value, str) else (self.event_id,)


class Pose(_Body):
    """Metres in the yard's frame; orientations in radians, of the agent and its trailers."""

    x: Finite | None = None
    y: Finite | None = None
    z: Finite | None = None
    orientations: list[Finite] | None = None


class Profile(_Body):
    """What an agent may say of itself at check-in, in sensors and in updates."""

    name: str | None = None
    code: str | None = None
    agent_type: str | None = None
    is_actuator: bool | None = None
    pose: Pose | None = None
    x: Finite | None = None
    y: Finite | None = None
    z: Finite | None = None
    orientations: list[Finite] | None = None
    factsheet: Any = None
    geometry: Any = None
    sensors: Any = None
    sensors_data_format: str | None = None
    geometry_data_format: str | None = None
    data_format: str | None = None
    unit: str | None = None
    coordinate_frame: str | None = None
    reference_point: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that it names, as store.agents.write_profiles takes them."""
        said = self.model_dump(exclude={"pose"}, exclude_none=True)
        return said | (self.pose.model_dump(exclude_none=True) if self.pose else {})


class UpdateBody(_Body):
    """What `agent_update` says beside the profile: whom the agent leads, all of them; None: nothing new."""

    followers: list[str] | None = Field(None, max_length=100)


class CheckInBody(Profile):
    """Body of `checkin`."""

    yard_uid: str | None = None
    yard_id: str | int | None = None
    status: str = "free"
    public_key: str | None = None
    public_key_format: str | None = None
    registration_token: str | None = None

    @property
    def yard(self) -> str | None:
        """The yard's uid; old agents call it yard_id."""
        if self.yard_uid is not None:
            return self.yard_uid
        return None if self.yard_id is None else str(self.yard_id)

    def fields(self) -> dict[str, Any]:
        """The profile alone."""
        names = set(Profile.model_fields)
        return {name: value for name, value in super().fields().items() if name in names}


# Only a text that looks like this can hold what PostgreSQL refuses: NUL, halves of surrogate pairs, numbers beyond all
# bounds. So the values of all others need not be walked through. A run of digits is looked at from its beginning alone:
# from each of its digits, a large message of long numbers would hold up the whole process.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]|\d[eE]\+?\d{3}|(?<!\d)\d{300}")


def refuse_unstorable(inner: Inner, said: Mapping[str, Any] | None) -> None:
    """Raise BadMessage for the first value of `said`, which comes from this message, that PostgreSQL would refuse.

    Else the whole batch would have to be written in halves until the one is found.
    """
    if said and _SUSPECT.search(inner.text):
        found = find_unstorable(said)
        if found is not None:
            raise BadMessage(Reason.INVALID, f"body: {found.path[:200] or 'it'} {found.detail}; {found.remedy}")


def read_body(model: type[Body], body: dict[str, Any]) -> Body:
    """Validate a body; raises BadMessage naming the field."""
    try:
        return model.model_validate(body)
    except UserError as error:  # of what clients send: it names the place itself
        raise BadMessage(Reason.INVALID, f"body: {error.detail}; {error.remedy}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(Reason.INVALID, f"body.{where}: {first['msg']}") from error
