"""Services on the wire."""

import re
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from api.models.base import Moment, PageQuery, QueryText, Resource
from missions.http_headers import HeaderValue
from missions.limits import LONGEST
from missions.requests import Name, Request, Words
from missions.statuses import ServiceDomain as Domain

# A time-out is an integer of 32 bits in helyOS's table.
WholeSeconds = Annotated[int, Field(ge=1, le=LONGEST)]


def _read_domain(value: object) -> object:
    if value == "Path planner":  # helyOS's older name
        return Domain.ASSIGNMENT_PLANNER
    if isinstance(value, str) and value in list(Domain):
        return Domain(value)
    raise ValueError(f"{value!r} is no domain; use one of {', '.join(Domain)}")


# Compose names hosts with underscores; `\w` is any language's letter.
_HOST = re.compile(r"\w([\w-]{0,61}\w)?(\.\w([\w-]{0,61}\w)?)*\.?")


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        whole = parts.scheme in ("http", "https") and (parts.port or 1) > 0
        whole = whole and bool(_HOST.fullmatch(host) or (":" in host and ip_address(host)))
    except ValueError:
        whole = False
    if not whole or any(character.isspace() for character in value):
        raise ValueError(f"{value!r} is no address of a service; write it as http://host:port/path/")
    if "@" in parts.netloc:  # addresses are shown and logged, keys are not
        raise ValueError(f"the address of {host} holds a user or password; leave them out, and send `apikey`")
    if "#" in value:  # what follows is never sent: a job's id neither
        raise ValueError(f"{value!r} holds a `#`; leave it out, with what follows")
    return value


ApiKey = Annotated[HeaderValue, Field(max_length=4000)]
ServiceUrl = Annotated[str, Field(max_length=2000), AfterValidator(_http_url)]


def _no_words(value: object) -> object:
    return None if value == "" else value


def _endpoint(value: str) -> str:
    if "://" in value:
        return _http_url(value)
    if any(character.isspace() for character in value):
        raise ValueError(f"{value!r} is no address; write it as http://host:port/path or as a path, /health")
    return value


HealthEndpoint = Annotated[str, Field(max_length=2000), AfterValidator(_endpoint)]


def _column(name: str) -> str:
    return "class" if name == "domain" else name


class ServiceFields(Request):
    """What clients may set; only fields that were sent count."""

    name: Name = Field("", examples=["path-planner"])
    service_type: Name = Field("", alias="type", description="recipes name it", examples=["drive"])
    service_url: ServiceUrl = Field("", alias="url", examples=["http://planner:9000/plan_job/"])
    domain: Annotated[Domain, BeforeValidator(_read_domain)] = Domain.ASSIGNMENT_PLANNER
    licence_key: ApiKey | None = Field(None, alias="apikey", description="sent as x-api-key; never shown again")
    config: dict[str, Any] | None = Field(None, description="sent as `config`, unless the step has its own")
    description: Words | None = None
    health_endpoint: Annotated[HealthEndpoint | None, BeforeValidator(_no_words)] = Field(
        None, description="asked before a step (GET); an address, or a path joined to `url`", examples=["/health"]
    )
    enabled: bool = Field(True, description="one service of a type may be enabled")
    is_dummy: bool = Field(False, description="not called: the request is the answer")
    result_timeout: WholeSeconds = Field(180, description="seconds until the result must be there")
    availability_timeout: WholeSeconds = Field(180, description="seconds that a step waits for a healthy service")
    require_agents_data: bool = Field(True, description="context: all agents of the yard")
    require_mission_agents_data: bool = Field(True, description="context: the mission's agents")
    require_map_data: bool = Field(True, description="context: the yard's map")
    require_map_objects: list[Name] = Field(
        default_factory=lambda: ["__all__"], description="context: map objects of these types"
    )

    def columns(self) -> dict[str, Any]:
        """The table's columns that were sent."""
        return {_column(name): getattr(self, name) for name in self.model_fields_set}


class ServiceCreate(ServiceFields):
    """A new service."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "path-planner",
                    "type": "drive",
                    "url": "http://planner:9000/plan_job/",
                    "domain": "Assignment planner",
                    "resultTimeout": 60,
                }
            ]
        }
    )

    name: Name = Field(examples=["path-planner"])
    service_type: Name = Field(alias="type", description="recipes name it", examples=["drive"])

    @model_validator(mode="after")
    def _reachable(self) -> "ServiceCreate":
        if not self.service_url and not self.is_dummy:
            raise ValueError("a service that is called needs an address; send `url`, or `isDummy: true`")
        return self

    def columns(self) -> dict[str, Any]:
        """The table's columns that were sent, with the address, which may be empty for a dummy."""
        return {"service_url": self.service_url} | super().columns()

    def all_columns(self) -> dict[str, Any]:
        """The table's columns, with the defaults of those that were not sent."""
        return {_column(name): getattr(self, name) for name in ServiceFields.model_fields}


class ServicePatch(ServiceFields):
    """Changes of a service."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})


class ServiceQuery(PageQuery):
    """Which services to list."""

    name: QueryText | None = None
    type: QueryText | None = None


class ServiceHealth(Resource):
    """What a health endpoint answered last; `since`: of this status, `checkedAt`: when it was asked."""

    status: str = Field(description="healthy, unhealthy, or unknown: not asked yet", examples=["healthy"])
    since: Moment | None
    checked_at: Moment | None
    text: str | None = Field(examples=["answered HTTP 200"])


class Service(Resource):
    """A service; its key is never shown."""

    id: int = Field(examples=[1])
    name: str
    service_type: str = Field(alias="type")
    service_url: str = Field(alias="url")
    domain: str = Field(validation_alias=AliasChoices("domain", "class"))
    has_apikey: bool
    config: Any
    description: str | None
    health_endpoint: str | None
    enabled: bool
    is_dummy: bool
    result_timeout: int
    availability_timeout: int
    require_agents_data: bool
    require_mission_agents_data: bool
    require_map_data: bool
    require_map_objects: list[str]
    health: ServiceHealth | None = Field(description="null: it has no health endpoint")
    created_at: Moment
    modified_at: Moment
    version: int = Field(description="also the ETag")

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Service":
        """The service of a row."""
        return cls.model_validate(row | {"has_apikey": bool(row["licence_key"]), "health": _health(row)})


def _health(row: dict[str, Any]) -> ServiceHealth | None:
    if row["health_endpoint"] is None:
        return None
    checked_at, said = row["health_checked_at"], "unhealthy" if row["unhealthy"] else "healthy"
    return ServiceHealth(
        status="unknown" if checked_at is None else said,
        since=row["health_since"],
        checked_at=checked_at,
        text=row["health_text"],
    )
