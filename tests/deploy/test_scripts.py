"""The scripts of deploy/: run as they are, against what is there without Docker."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from cli.stack.addresses import Addresses
from cli.stack.temporal import find_temporal

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "deploy").rglob("*.sh"))


def sh(script: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **environment}
    return subprocess.run(["/bin/sh", script], env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_shell_and_can_be_run(script: Path) -> None:
    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0
    assert script.stat().st_mode & stat.S_IXUSR


def test_make_env_fills_every_secret_once_and_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / ".env.example", tmp_path)
    script = Path(shutil.copy(ROOT / "deploy/make_env.sh", tmp_path / "deploy"))

    assert sh(script).returncode == 0
    made = tmp_path / ".env"
    values = dict(line.split("=", 1) for line in made.read_text().splitlines() if line and not line.startswith("#"))
    example = (tmp_path / ".env.example").read_text()
    secrets = [value for name, value in values.items() if f"\n{name}=\n" in example]
    assert len(secrets) == len(set(secrets)) == 5
    assert all(len(secret) == 48 and secret.isalnum() for secret in secrets)
    assert values["AGENTS_LISTEN_ON"] == "127.0.0.1"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600

    before = made.read_text()
    again = sh(script)
    assert again.returncode == 1
    assert "there already" in again.stderr
    assert made.read_text() == before


def test_the_namespace_is_made_once_and_can_be_used(services: Addresses) -> None:
    temporal = find_temporal()
    assert temporal is not None
    environment = {
        "PATH": f"{Path(temporal).parent}{os.pathsep}{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": services.temporal_address,
        "TEMPORAL_NAMESPACE": f"compose-{os.getpid()}",
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    for _ in range(2):  # also when everything is started again
        done = sh(ROOT / "deploy/temporal/namespace.sh", **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "can be used" in done.stdout
    described = subprocess.run(
        [temporal, "operator", "namespace", "describe", "--output", "json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "604800s" in described.stdout  # seven days
