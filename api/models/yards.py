"""Yards and their maps on the wire."""

from typing import Any

from pydantic import ConfigDict, Field

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions.requests import Request, Words

YARD_UID = r"^[A-Za-z0-9_-]{1,64}$"
"""Part of routing keys, hence no dots and wildcards."""


class MapObjectFields(Request):
    """One thing on a yard's map."""

    type: Words | None = Field(None, examples=["obstacle"])
    name: Words | None = None
    data: Any = Field(None, examples=[{"bottom": 0, "top": 2}])
    data_format: Words | None = None
    metadata: Any = None


class MapObjectsCreate(Request):
    """Map objects to be added."""

    map_objects: list[MapObjectFields] = Field(min_length=1, max_length=100_000)


class MapObjectQuery(PageQuery):
    """Which map objects to list."""

    type: QueryText | None = None


class YardFields(Request):
    """What clients may set; only fields that were sent count."""

    name: Words | None = Field(None, examples=["North yard"])
    description: Words | None = None
    source: Words | None = None
    yard_type: Words | None = None
    lat: float | None = Field(None, ge=-90, le=90, description="origin, degrees")
    lon: float | None = Field(None, ge=-180, le=180, description="origin, degrees")
    alt: float | None = Field(None, description="origin, metres")
    data_format: Words | None = None
    unit: Words | None = Field(None, examples=["mm"])
    coordinate_frame: Words | None = None
    map_data: Any = Field(None, description="sent to services as context.map.map_data")
    map_objects: list[MapObjectFields] = Field(
        default_factory=list, max_length=100_000, description="replaces all map objects of the yard"
    )

    def columns(self) -> dict[str, Any]:
        """The yard's columns that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "map_objects"}

    def objects(self) -> list[dict[str, Any]] | None:
        """The map objects' columns; None: not sent."""
        if "map_objects" not in self.model_fields_set:
            return None
        return [item.model_dump() for item in self.map_objects]


class YardCreate(YardFields):
    """A new yard."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"uid": "north", "name": "North yard", "lat": 51.05, "lon": 13.74}]}
    )

    uid: str = Field(pattern=YARD_UID, examples=["north"])


class YardPatch(YardFields):
    """Changes of a yard; its uid stays, since agents and missions know it."""


class YardQuery(PageQuery):
    """Which yards to list."""

    uid: QueryText | None = None


class MapObject(Resource):
    """One thing on a yard's map."""

    id: int
    type: str | None
    name: str | None
    data: Any
    data_format: str | None
    metadata: Any
    created_at: Moment
    modified_at: Moment


class Yard(Resource):
    """A yard without its map."""

    id: int = Field(examples=[1])
    uid: str = Field(examples=["north"])
    name: str | None
    description: str | None
    source: str | None
    yard_type: str | None
    lat: float | None
    lon: float | None
    alt: float | None
    data_format: str | None
    unit: str | None
    coordinate_frame: str | None
    created_at: Moment
    modified_at: Moment


class FullYard(Yard):
    """A yard with its map."""

    map_data: Any
    map_objects: list[MapObject]
