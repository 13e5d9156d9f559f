"""The Temporal client of one process."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import KeepAliveConfig

DEFAULT_ADDRESS = "localhost:7233"

# The one converter of every client, worker, test and replayer.
DATA_CONVERTER = pydantic_data_converter

# A connection that is dead and not closed is found out after 15 s, for a server refuses those who ask more often than
# each 10 s (its `keepAliveMinTime`); by Temporal's own numbers it would be 45 s.
_KEEP_ALIVE = KeepAliveConfig(interval_millis=10_500, timeout_millis=4_500)


async def connect(*, lazy: bool = False, identity: str | None = None) -> Client:
    """Connect as `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE` and the other variables of Temporal's clients say.

    `lazy`: connect at the first call, so that a process can start while Temporal is down. `identity`: what the engine
    calls this process; default: its pid and host.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", DEFAULT_ADDRESS)
    return await Client.connect(
        **config, data_converter=DATA_CONVERTER, lazy=lazy, identity=identity, keep_alive_config=_KEEP_ALIVE
    )
