"""docker-compose.yml against the settings, the Dockerfile and the embedded stack; nothing here needs Docker.

Where Docker Compose is installed it reads the file as well; its own opinion counts then.
"""

import functools
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cli.stack.rabbitmq import RabbitMQ
from cli.stack.rabbitmq_program import IMAGE as EMBEDDED_RABBITMQ
from cli.stack.temporal import DYNAMIC_CONFIG, Temporal
from fleet.accounts import vhost_of
from settings import Settings

ROOT = Path(__file__).parents[2]
ONE_SHOT = {"temporal-schema", "temporal-namespace"}
OURS = {"api", "worker"}
SERVICES = {"postgres", "rabbitmq", "temporal", "temporal-ui", *ONE_SHOT, *OURS}

# A value with a variable: ${NAME:?message} or ${NAME:-default}.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(:(?P<kind>[?-])(?P<rest>[^}]*))?\}")


@functools.cache
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def filled(value: str) -> str:
    """The value as Compose fills it in, with secrets that are called after their variable."""
    return VARIABLE.sub(lambda found: found["rest"] if found["kind"] == "-" else f"the-{found['name']}", value)


def environment(name: str) -> dict[str, str]:
    return {key: filled(value) for key, value in service(name)["environment"].items()}


def example_environment() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for key in [key for key in os.environ if key.startswith("MUSTER_")]:
        monkeypatch.delenv(key)
    for key, value in environment(name).items():
        monkeypatch.setenv(key, value)
    return Settings()


def seconds(duration: str) -> float:
    assert re.fullmatch(r"\d+s", duration), duration
    return float(duration[:-1])


def test_every_part_is_a_service() -> None:
    assert set(compose()["services"]) == SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES - OURS))
def test_images_are_pinned_to_a_release(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-management)?", service(name)["image"])


def test_rabbitmq_still_allows_the_queues_of_helyos_agents() -> None:
    image = service("rabbitmq")["image"]
    release = re.fullmatch(r"rabbitmq:(\d+)\.(\d+)\.\d+-management", image)
    assert release, image
    assert (4, 0) <= (int(release[1]), int(release[2])) < (4, 3)
    assert image.startswith(EMBEDDED_RABBITMQ.removesuffix("-management")), "the embedded stack runs another release"


def test_temporal_and_its_tables_are_of_one_release() -> None:
    tags = {service(name)["image"].partition(":")[2] for name in ("temporal", *ONE_SHOT)}
    assert len(tags) == 1
    assert service("temporal")["image"].startswith("temporalio/server:")  # not auto-setup, which has ended


@pytest.mark.parametrize("name", sorted(SERVICES - ONE_SHOT))
def test_what_runs_on_has_a_health_check_and_comes_back(name: str) -> None:
    check = service(name)["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    assert service(name)["restart"] == "unless-stopped"


@pytest.mark.parametrize(
    ("name", "awaited"),
    [
        ("temporal-schema", {"postgres": "service_healthy"}),
        ("temporal", {"temporal-schema": "service_completed_successfully"}),
        ("temporal-namespace", {"temporal": "service_healthy"}),
        ("temporal-ui", {"temporal": "service_healthy"}),
        *(
            (
                name,
                {
                    "postgres": "service_healthy",
                    "rabbitmq": "service_healthy",
                    "temporal-namespace": "service_completed_successfully",
                },
            )
            for name in sorted(OURS)
        ),
    ],
)
def test_services_wait_for_what_they_need(name: str, awaited: dict[str, str]) -> None:
    assert {on: how["condition"] for on, how in service(name)["depends_on"].items()} == awaited


def test_published_ports_are_the_usual_ones() -> None:
    published = {
        name: {int(port.rpartition(":")[0].rpartition(":")[2]) for port in each["ports"]}
        for name, each in compose()["services"].items()
        if "ports" in each
    }
    embedded = RabbitMQ.ports
    assert published == {
        "api": {Settings.model_fields["api_port"].default},
        "rabbitmq": {embedded["amqp"], embedded["amqp_management"], embedded["mqtt"]},
        "temporal": {Temporal.ports["temporal"]},
        "temporal-ui": {Temporal.ports["temporal_ui"]},
    }


def test_only_the_agents_ports_can_be_opened_to_the_network() -> None:
    hosts = {
        (name, int(port.rpartition(":")[2])): port.rpartition(":")[0].rpartition(":")[0]
        for name, each in compose()["services"].items()
        for port in each.get("ports", [])
    }
    agents = {("rabbitmq", 5672), ("rabbitmq", 1883)}
    assert {hosts[port] for port in agents} == {"${AGENTS_LISTEN_ON:-127.0.0.1}"}
    assert {hosts[port] for port in set(hosts) - agents} == {"127.0.0.1"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_variables_are_settings(name: str) -> None:
    ours = {key for key in service(name)["environment"] if key.startswith("MUSTER_")}
    assert ours <= {f"MUSTER_{field.upper()}" for field in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(OURS))
def test_addresses_lead_to_the_services(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(name, monkeypatch)
    database, broker = environment("postgres"), environment("rabbitmq")

    url = urlsplit(settings.database_url)
    assert (url.scheme, url.hostname, url.port) == ("postgresql", "postgres", 5432)
    assert (url.username, url.password) == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"])
    assert url.path == f"/{database['POSTGRES_DB']}"

    url = urlsplit(settings.amqp_url)
    assert (url.scheme, url.hostname, url.port) == ("amqp", "rabbitmq", 5672)
    assert (url.username, url.password) == (broker["RABBITMQ_DEFAULT_USER"], broker["RABBITMQ_DEFAULT_PASS"])
    assert vhost_of(settings.amqp_url) == "/"

    engine, namespace = environment(name), environment("temporal-namespace")
    assert engine["TEMPORAL_ADDRESS"] == namespace["TEMPORAL_ADDRESS"] == "temporal:7233"
    assert engine["TEMPORAL_ADDRESS"] == environment("temporal-ui")["TEMPORAL_ADDRESS"]
    assert engine["TEMPORAL_NAMESPACE"] == namespace["TEMPORAL_NAMESPACE"]

    assert settings.api_token.get_secret_value() == "the-MUSTER_API_TOKEN"
    assert settings.agent_registration_token.get_secret_value() == "the-MUSTER_AGENT_REGISTRATION_TOKEN"


def test_links_lead_to_the_published_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("api", monkeypatch)
    assert f"{urlsplit(settings.public_api_url).netloc}:{settings.api_port}" == service("api")["ports"][0]
    assert service("temporal-ui")["ports"] == [f"{urlsplit(settings.temporal_ui_url).netloc}:8080"]


def test_temporal_uses_databases_of_its_own() -> None:
    server, script = environment("temporal"), (ROOT / "deploy/postgres/temporal_databases.sh").read_text()
    assert (server["POSTGRES_SEEDS"], server["DB_PORT"]) == ("postgres", "5432")
    assert f"CREATE ROLE {server['POSTGRES_USER']} LOGIN" in script
    for database in (server["DBNAME"], server["VISIBILITY_DBNAME"]):
        assert f"CREATE DATABASE {database} OWNER {server['POSTGRES_USER']};" in script
        assert f"{database}:" in (ROOT / "deploy/temporal/schema.sh").read_text()
        assert database != environment("postgres")["POSTGRES_DB"]
    passwords = {
        environment("postgres")["TEMPORAL_DB_PASSWORD"],
        environment("temporal-schema")["SQL_PASSWORD"],
        server["POSTGRES_PWD"],
    }
    assert passwords == {"the-TEMPORAL_DB_PASSWORD"}


def test_secrets_have_no_default_and_the_message_says_what_to_do() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = {name for name, value in example_environment().items() if not value}
    assert secrets == {found["name"] for found in VARIABLE.finditer(text) if found["kind"] == "?"}
    for found in VARIABLE.finditer(text):
        if found["name"] in secrets:
            assert "run deploy/make_env.sh" in found["rest"]
        else:
            assert (found["kind"], found["name"]) == ("-", found["name"])
    for name in SERVICES:
        for key, value in service(name).get("environment", {}).items():
            if re.search(r"PASS|PWD|TOKEN", key):
                assert VARIABLE.fullmatch(value), f"{name}: {key} is written in the file"


def test_every_mounted_file_is_there_and_can_only_be_read() -> None:
    for name in SERVICES:
        for volume in service(name).get("volumes", []):
            source, _, *mode = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert mode == ["ro"], volume
            else:
                assert source in compose()["volumes"], volume
    for name in ONE_SHOT:
        shell, script = service(name)["entrypoint"]
        assert shell == "/bin/sh"
        assert (ROOT / "deploy/temporal" / Path(script).name).exists()


def test_data_outlives_the_containers() -> None:
    kept = {volume.rsplit(":", 1)[0] if volume.endswith(":ro") else volume for volume in service("postgres")["volumes"]}
    assert "postgres-data:/var/lib/postgresql" in kept  # where version 18 of the image keeps its data
    assert "rabbitmq-data:/var/lib/rabbitmq" in service("rabbitmq")["volumes"]
    assert service("rabbitmq")["hostname"], "the data lies under the node's name"
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name in OURS:
        (volume,) = service(name)["volumes"]
        assert volume == "muster-data:/muster/data"
        assert "MUSTER_DATA_DIR=/muster/data" in dockerfile


def test_the_broker_is_configured_as_the_embedded_one() -> None:
    folder = ROOT / "deploy/rabbitmq"
    assert (folder / "enabled_plugins").read_text() == "[rabbitmq_management,rabbitmq_mqtt].\n"
    assert (
        "{permit_deprecated_features, #{transient_nonexcl_queues => true}}" in (folder / "advanced.config").read_text()
    )
    options = dict(
        line.split(" = ") for line in (folder / "rabbitmq.conf").read_text().splitlines() if re.match(r"\w", line)
    )
    assert options["mqtt.exchange"] == Settings.model_fields["mqtt_exchange"].default
    assert options["tcp_listen_options.keepalive"] == "true"


def test_temporal_is_tuned_as_the_embedded_one() -> None:
    path = environment("temporal")["DYNAMIC_CONFIG_FILE_PATH"]
    assert service("temporal")["volumes"] == [f"./deploy/temporal:{Path(path).parent}:ro"]
    tuned = yaml.safe_load((ROOT / "deploy/temporal" / Path(path).name).read_text())
    composed = {name: each["value"] for name, [each] in tuned.items()}
    embedded = {name: yaml.safe_load(value) for name, value in DYNAMIC_CONFIG.items()}
    # Compose makes the namespace long before a mission asks for it.
    del embedded["system.namespaceCacheRefreshInterval"]
    assert composed == embedded


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_process_gets_the_time_to_finish_what_it_has_in_hand(name: str) -> None:
    graceful: float = Settings.model_fields["graceful_shutdown"].default
    assert seconds(service(name)["stop_grace_period"]) >= graceful + 10
    assert service(name)["init"] is True


def test_workers_can_be_many() -> None:
    assert not {"container_name", "ports", "hostname"} & set(service("worker"))
    # Connections to PostgreSQL: Temporal's (20 and 10 for each of its four services), then ours for an API and nine
    # workers, each with a pool and a few connections beside it.
    (limit,) = [int(part.partition("=")[2]) for part in service("postgres")["command"] if "max_connections" in part]
    pool: int = Settings.model_fields["database_pool_size"].default
    assert limit >= 4 * (20 + 10) + 10 * (pool + 4)


def test_docker_compose_accepts_the_file() -> None:
    """Docker Compose checks the file against its schema, where it is installed; PyYAML has read it in any case."""
    assert compose()["name"] == "muster"
    try:
        if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
            return
    except FileNotFoundError:
        return
    secrets = {name: value or "x" for name, value in example_environment().items()}
    command = ["docker", "compose", "--env-file", os.devnull, "config", "--quiet"]
    accepted = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **secrets}, capture_output=True, text=True, check=False
    )
    assert (accepted.returncode, accepted.stderr) == (0, "")
    without = {key: value for key, value in os.environ.items() if key not in secrets}
    refused = subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "run deploy/make_env.sh" in refused.stderr
