"""Every setting of Muster, read once from `MUSTER_*` variables and handed to whoever needs it.

Temporal's own client variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, …) are read by `temporalio.envconfig`,
so that operators use the same ones as with the `temporal` command; see `engine/client.py`.
"""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# At most a year, as for recipes: far below where timers overflow.
_LONGEST = 31_536_000
Seconds = Annotated[float, Field(gt=0, le=_LONGEST)]


def _by_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _zero_if_empty(value: object) -> object:
    return 0 if value == "" else value


def _of_a_broker(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("amqp", "amqps") or not parts.hostname or parts.port == 0):
        raise ValueError(
            "this is no address of RabbitMQ: write amqp://user:password@host:port/vhost, or amqps:// for TLS"
        )
    return url


AmqpUrl = Annotated[str, AfterValidator(_of_a_broker)]
Paths = Annotated[list[Path], NoDecode, BeforeValidator(_by_commas)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_by_commas)]
Delays = Annotated[tuple[Annotated[float, Field(ge=0, le=_LONGEST)], ...], NoDecode, BeforeValidator(_by_commas)]


class Settings(BaseSettings):
    """All settings with their defaults. Times are in seconds, sizes in bytes."""

    # Errors do not repeat the value: addresses hold passwords, and they would stand in the log.
    model_config = SettingsConfigDict(env_prefix="MUSTER_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # Parts
    database_url: str = Field("", description="PostgreSQL: postgresql://user:password@host:port/name")
    amqp_url: AmqpUrl = Field("", description="RabbitMQ: amqp://user:password@host:port/vhost")
    mqtt_url: str = Field("", description="where agents find that broker over MQTT; `muster up` shows it")
    amqp_management_url: str = Field(
        "", description="RabbitMQ management API; empty: the AMQP host on port 15672 with the same login"
    )
    temporal_ui_url: str = Field("", description="Temporal UI, for links")
    temporal_keep_alive_interval: Seconds = Field(
        10.5,
        description="between two looks whether a connection to Temporal is alive; a server refuses clients that look"
        " more often than its `frontend.keepAliveMinTime` (10 s; 2 s in `deploy/temporal/dynamic_config.yaml`)",
    )
    data_dir: Path = Field(Path(".muster"), description="data of the embedded stack, API token, signing keys")

    # API
    api_host: str = Field("127.0.0.1", description="address that the API listens on")
    api_port: int = Field(8000, ge=0, le=65535)
    api_token: SecretStr = Field(SecretStr(""), description="bearer token; empty: made at the first start")
    api_url: str = Field("", description="where users reach the API, for links; empty: http://host:port")
    max_body_bytes: int = Field(1024 * 1024, gt=0, description="largest request body that the API takes")
    request_read_timeout: Seconds = Field(30.0, description="for the head of a request, and for its body")
    recipe_files: Paths = Field([], description="YAML files of recipes and services, loaded at start; with commas")

    # Database pool, per process
    database_pool_size: int = Field(16, ge=1)
    database_pool_timeout: Seconds = 5.0

    # Agents
    agent_registration_token: SecretStr = Field(
        SecretStr("0000-0000-0000-0000-0000"), description="token of agents that check in without an account"
    )
    anonymous_exchange: str = "xchange_helyos.agents.anonymous"
    uplink_exchange: str = "xchange_helyos.agents.ul"
    downlink_exchange: str = "xchange_helyos.agents.dl"
    mqtt_exchange: str = "xchange_helyos.agents.mqtt"
    stream_exchange: str = "xchange_helyos.agents.stream.dl"
    debug_exchange: str = Field(
        "",
        description="topic exchange that gets a copy of what agents are sent, for looking on; empty: none",
    )
    signing_key_file: Path | None = Field(
        None, description="RSA key that signs messages to agents, shared by all machines; empty: made in data_dir"
    )
    deaf_agent_interval: Seconds = Field(
        5.0,
        description="an agent that talks but is deaf again is asked again after this, then twice as long, and so on up"
        " to 60 s; after about an hour up to 15 minutes",
    )
    orphan_queue_expires: Seconds = Field(60.0, description="a queue of an agent that nobody reads is removed")
    message_rate_limit: int = Field(
        150, ge=1, description="sensors and updates of one agent per second; the excess is dropped"
    )
    update_rate_limit: int = Field(20, ge=1, description="updates of one agent per second; the excess is dropped")
    data_request_timeout: Seconds = Field(
        5.0, description="a data request of an agent that takes longer is refused, and changes nothing"
    )
    intake_batch_size: int = Field(300, ge=1, description="agent messages taken in one transaction")

    # Events
    events_exchange: str = Field(
        "muster.events", max_length=127, description="topic exchange that gets every event; empty: none"
    )
    events_amqp_url: AmqpUrl = Field("", description="RabbitMQ of that exchange; empty: that of the agents")
    events_format: str = Field(
        "envelope",
        pattern="^(envelope|cloudevents)$",
        description="what is published there: the events as the API shows them, or as CloudEvents 1.0 in JSON",
    )
    metrics_public: bool = Field(False, description="`GET /metrics` answers without the token too")

    # Missions
    reserve_ready_timeout: Seconds = Field(20.0, description="from reserve to the agent's `ready`")
    reserve_resend_interval: Seconds = Field(3.0, description="agents that have not answered are told again")
    reserve_return_window: Seconds = Field(2.0, description="a reserve that nobody listens to is re-sent this long")
    reserve_failure: str = Field(
        "requeue", pattern="^(requeue|fail)$", description="what a silent agent does to its mission"
    )
    instruments_busy: str = Field(
        "wait",
        pattern="^(wait|refuse)$",
        description="what becomes of a mission with an instrument that another one holds, or waits for before it",
    )
    agent_silence: float = Field(
        120.0,
        ge=0,
        le=_LONGEST,
        description="an agent with an assignment that says nothing this long raises attention, unless the recipe's"
        " `agentSilence` says otherwise; 0: never",
    )
    cancel_resend_interval: Seconds = 10.0
    cancel_attempts: int = Field(3, ge=1, description="how often an assignment's cancel is sent in all")
    command_timeout: Seconds = Field(
        60.0, description="for a command of a mission file that names no `timeout`: from its sending to its end"
    )
    command_retry_interval: Seconds = Field(5.0, description="between two attempts of a command of a mission file")
    inactive_timeout: Seconds = Field(
        30.0, description="for each command that brings an instrument to INACTIVE when its mission is aborted"
    )
    mission_time_scale: bool = Field(
        False, description="missions of files may ask for a time that goes faster: for demos and tests"
    )
    planner_poll_initial: Seconds = 0.5
    planner_poll_max: Seconds = 10.0
    planner_request_timeout: Seconds = Field(
        30.0, description="to connect to a service, and for one poll; a POST may take as long as its step"
    )
    health_check_interval: Seconds = Field(30.0, description="between two looks at a service with a health endpoint")
    max_response_bytes: int = Field(64 * 1024 * 1024, gt=0, description="largest answer of a service")

    # The event log
    max_streams: int = Field(500, ge=0, description="live streams of events that one API process serves at once")
    stream_heartbeat_interval: Seconds = Field(
        15.0, description="a live stream without events says this often that it lives"
    )
    stream_send_timeout: Seconds = Field(
        10.0, description="a reader of a live stream that takes nothing this long is dropped; it may come back"
    )
    event_retention_days: Annotated[int, BeforeValidator(_zero_if_empty)] = Field(
        90, ge=0, le=36_500, description="days that events stay in the log before they are archived; 0: for ever"
    )
    event_archive_dir: Path | None = Field(
        None, description="folder of archived events, seen by the worker; empty: event-archive in data_dir"
    )

    # Webhooks
    webhook_allow_http: bool = Field(False, description="webhooks may have http:// addresses; else https:// only")
    webhook_allow_private: bool = Field(
        False, description="webhooks may be at private addresses: loopback, link-local, a local network"
    )
    webhook_allowed_networks: Networks = Field(
        (), description="webhooks may be at addresses of these networks, e.g. 10.1.0.0/16; with commas"
    )
    webhook_timeout: Seconds = Field(15.0, description="for one attempt in all: name, connection, answer")
    webhook_schedule: Delays = Field(
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
        description="seconds from the first failure to the next attempt, from the second, and so on, with commas; the"
        " first attempt is at once, and after the last failed one the event is parked",
    )
    webhook_concurrency: int = Field(8, ge=1, description="requests to one webhook at a time")
    webhook_disable_after: Seconds = Field(
        432_000.0, description="a webhook of which every attempt failed for so long is disabled"
    )
    webhook_keep: Seconds = Field(
        604_800.0,
        description="deliveries and their attempts are shown so long; a disabled webhook holds back the removal of"
        " events so long",
    )

    # Repairs
    sweep_interval: Seconds = Field(10.0, description="between two looks for missions without a run, and the reverse")
    sweep_after: Seconds = Field(
        10.0,
        description="nothing is repaired that changed less than this ago; an ended mission's run has three times it",
    )

    # Workers
    task_queue: str = Field("muster", description="first part of the task queues' names; the installation's id follows")
    max_concurrent_activities: int = Field(40, ge=1, description="at most 3 × the database pool")
    max_concurrent_steps: int = Field(200, ge=1)
    max_cached_workflows: int = Field(2000, ge=1)
    graceful_shutdown: Seconds = 20.0

    @model_validator(mode="after")
    def _pool_serves_the_activities(self) -> Self:
        if self.max_concurrent_activities > 3 * self.database_pool_size:
            raise ValueError(
                f"MUSTER_MAX_CONCURRENT_ACTIVITIES {self.max_concurrent_activities} is more than three times"
                f" MUSTER_DATABASE_POOL_SIZE {self.database_pool_size}: make the pool larger or allow fewer activities"
            )
        return self

    @model_validator(mode="after")
    def _events_go_to_no_exchange_of_agents(self) -> Self:
        names = ("anonymous", "uplink", "downlink", "mqtt", "stream")
        if self.events_exchange in {getattr(self, f"{name}_exchange") for name in names}:
            raise ValueError(
                f"MUSTER_EVENTS_EXCHANGE {self.events_exchange} is one of the agents' exchanges: name another"
            )
        return self

    @property
    def event_archive(self) -> Path:
        """Where archived events are kept."""
        return self.event_archive_dir or self.data_dir / "event-archive"

    @property
    def public_api_url(self) -> str:
        """Where users reach the API."""
        return self.api_url or f"http://{self.api_host}:{self.api_port}"


def read_settings() -> Settings:
    """Those of this process; ends it with a line for each setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        lines = "\n".join(_line(wrong) for wrong in error.errors(include_url=False))
        raise SystemExit(f"{lines}\n(docs/configuration.md lists all settings)") from None


def _line(wrong: "ErrorDetails") -> str:
    said = wrong["msg"].removeprefix("Value error, ").replace("Input should be ", "it should be ")
    if not wrong["loc"]:
        return said  # of several settings, and names them
    name = str(wrong["loc"][0])
    if wrong["type"] == "string_pattern_mismatch":
        said = f"it should be one of {wrong['ctx']['pattern'].strip('^$()').replace('|', ', ')}"
    return f"MUSTER_{name.upper()}{_shown(name, wrong['input'])}: {said}"


def _shown(name: str, value: object) -> str:
    """A wrong value, unless it may hold a password."""
    if name.endswith("_url") or Settings.model_fields[name].annotation is SecretStr:
        return ""
    return f" is {str(value)[:200]!r}"
