"""The Temporal client of one process."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import KeepAliveConfig

from settings import Settings

DEFAULT_ADDRESS = "localhost:7233"

# The one converter of every client, worker, test and replayer.
DATA_CONVERTER = pydantic_data_converter

# A connection is dead that does not answer for so long.
_KEEP_ALIVE_TIMEOUT_MS = 4_000


async def connect(settings: Settings, *, lazy: bool = False, identity: str | None = None) -> Client:
    """Connect as `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE` and the other variables of Temporal's clients say.

    `lazy`: connect at the first call, so that a process can start while Temporal is down. `identity`: what the engine
    calls this process; default: its pid and host.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", DEFAULT_ADDRESS)
    # By Temporal's own numbers a connection that is dead and not closed would be found out after 45 s.
    keep_alive = KeepAliveConfig(
        interval_millis=round(settings.temporal_keep_alive_interval * 1000), timeout_millis=_KEEP_ALIVE_TIMEOUT_MS
    )
    return await Client.connect(
        **config, data_converter=DATA_CONVERTER, lazy=lazy, identity=identity, keep_alive_config=keep_alive
    )
