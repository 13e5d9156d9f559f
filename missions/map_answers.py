"""What a map server's answer changes on the map of the mission's yard (helyOS: domain `Map server`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from missions.errors import Failure, FailureCode, PlanningFailed


@dataclass(frozen=True)
class MapChange:
    """Columns of the yard and map objects to be written."""

    yard: dict[str, Any]
    """Of lat and lon (degrees), alt (metres) and map_data those that change."""
    objects: list[dict[str, Any]]
    replaces: bool
    """Whether the yard loses its old map objects."""


class _Part(BaseModel):
    # Services send rows back as they got them, with ids and more.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class _MapObject(_Part):
    type: str | None = None
    name: str | None = None
    data: Any = None
    data_format: str | None = None
    metadata: Any = None


class _Origin(_Part):
    lat: float | None = Field(None, ge=-90, le=90)
    lon: float | None = Field(None, ge=-180, le=180, validation_alias=AliasChoices("lon", "long"))
    alt: float | None = None


class _Update(_Part):
    origin: _Origin | None = None
    map_objects: list[_MapObject] | None = None
    map_data: Any = None


class _Create(_Part):
    map_objects: list[_MapObject] = Field(default_factory=list)


class _Result(_Part):
    update: _Update | None = None
    create: _Create | None = None


def read_map_change(body: Mapping[str, Any], *, step: str, url: str) -> MapChange | None:
    """The change in the first of `results`, or in `result`; None: it changes nothing.

    Raises PlanningFailed naming the place that cannot be read.
    """
    place = "result" if body.get("results") is None else "results"
    found: Any = body.get(place)
    if isinstance(found, list):
        if not found:
            return None
        place, found = f"{place}[0]", found[0]
    if found is None:
        return None
    try:
        result = _Result.model_validate(found)
    except ValidationError as error:
        raise _refuse(step, url, place, error) from None
    update, create = result.update or _Update(), result.create or _Create()
    yard = {} if update.origin is None else update.origin.model_dump(exclude_unset=True)
    if "map_data" in update.model_fields_set:
        yard["map_data"] = update.map_data
    objects = [item.model_dump() for item in (*(update.map_objects or ()), *create.map_objects)]
    replaces = update.map_objects is not None
    return MapChange(yard, objects, replaces) if yard or objects or replaces else None


def _refuse(step: str, url: str, place: str, error: ValidationError) -> PlanningFailed:
    first = error.errors(include_url=False)[0]
    for part in first["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    value = repr(first["input"])
    shown = value if len(value) <= 80 else value[:79] + "…"
    return PlanningFailed(
        Failure(
            code=FailureCode.PLANNING_FAILED,
            step=step,
            url=url,
            text=f"step {step!r}: the service at {url} answered {place} = {shown}: {first['msg']}",
        )
    )
