"""A connection to the engine that is dead and not closed is found out soon, and no server refuses the looks."""

from pathlib import Path

import pytest
import yaml

from cli.stack.temporal import Temporal
from engine.client import connect
from settings import Settings

ROOT = Path(__file__).parents[2]


async def test_a_client_looks_as_often_as_it_is_set_to() -> None:
    client = await connect(Settings(temporal_keep_alive_interval=2.5), lazy=True)
    keep_alive = client.service_client.config.keep_alive_config
    assert keep_alive is not None
    assert keep_alive.interval_millis == 2500


@pytest.mark.parametrize("part", ["api", "worker"])
def test_servers_that_we_configure_take_looks_as_often_as_their_clients_look(part: str) -> None:
    configured = yaml.safe_load((ROOT / "deploy/temporal/dynamic_config.yaml").read_text())
    (least,) = configured["frontend.keepAliveMinTime"]
    assert least["value"].endswith("s")
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][part]["environment"]
    for environment in (composed, Temporal.environment):
        assert float(environment["MUSTER_TEMPORAL_KEEP_ALIVE_INTERVAL"]) > float(least["value"][:-1])
