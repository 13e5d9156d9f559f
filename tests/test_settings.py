"""Settings that cannot be meant are refused at the start, without telling what is secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings, read_settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["amqp_url", "events_amqp_url"])
@pytest.mark.parametrize(
    "url",
    ["rabbit:5672", "localhost", "http://me:secret@rabbit:15672/", "amqp://", "amqp:///vhost", "amqp://rabbit:56x/"],
)
def test_address_of_a_broker_is_one(name: str, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: url})
    assert f"\n{name}\n" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "amqp://rabbit", "amqp://me:secret@127.0.0.1:5672/%2Fmine", "amqps://[::1]/"])
def test_address_of_a_broker_is_taken(url: str) -> None:
    settings = Settings(amqp_url=url, events_amqp_url=url)
    assert (settings.amqp_url, settings.events_amqp_url) == (url, url)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("EVENTS_FORMAT", "xml", "MUSTER_EVENTS_FORMAT is 'xml': it should be one of envelope, cloudevents"),
        ("API_PORT", "99999", "MUSTER_API_PORT is '99999': it should be less than or equal to 65535"),
        ("WEBHOOK_SCHEDULE", "5,soon", "MUSTER_WEBHOOK_SCHEDULE is 'soon': it should be a valid number"),
        ("AMQP_URL", "http://me:secret@rabbit", "MUSTER_AMQP_URL: this is no address of RabbitMQ: write amqp://"),
        ("EVENTS_EXCHANGE", "xchange_helyos.agents.ul", "MUSTER_EVENTS_EXCHANGE xchange_helyos.agents.ul is one of"),
    ],
)
def test_wrong_setting_is_told_in_a_line_with_its_variable_its_value_and_what_it_should_be(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(f"MUSTER_{variable}", value)
    with pytest.raises(SystemExit) as told:
        read_settings()
    first, end = str(told.value).split("\n")
    assert first.startswith(line)
    assert "secret" not in first
    assert end == "(docs/configuration.md lists all settings)"


def test_program_with_a_wrong_setting_says_so_without_a_traceback(tmp_path: Path) -> None:
    environment = os.environ | {"MUSTER_EVENTS_FORMAT": "xml", "MUSTER_DATA_DIR": str(tmp_path)}
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", *program.split()], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        for program in ("api", "worker", "cli.main up")
    ]
    for program in programs:
        _, said = program.communicate(timeout=60)
        assert program.returncode == 1
        assert said.startswith("MUSTER_EVENTS_FORMAT is 'xml': ")
        assert len(said.splitlines()) == 2
