"""The whole process: `python -m api` against real services."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import make_url

from cli.stack.addresses import Addresses
from cli.stack.ports import any_free_port
from settings import Settings

ROOT = Path(__file__).parents[2]

FILE = """
services:
  - {name: nobody, type: nothing, isDummy: true}
recipes:
  - name: from a file
    steps: [{step: plan, serviceType: nothing}]
"""


@asynccontextmanager
async def _running(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        assert await process.wait() in (0, -15)


async def _answer(url: str, status: int) -> httpx.Response:
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                answer = await http.get(url)
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_it_starts_makes_its_token_loads_its_files_and_listens_on_loopback(
    services: Addresses, settings: Settings, tmp_path: Path
) -> None:
    port = any_free_port()
    (tmp_path / "recipes.yml").write_text(FILE)
    environment = services.environment() | {
        "MUSTER_DATABASE_URL": settings.database_url,
        "MUSTER_DATA_DIR": str(tmp_path / "data"),
        "MUSTER_API_PORT": str(port),
        "MUSTER_API_TOKEN": "",
        "MUSTER_RECIPE_FILES": str(tmp_path / "recipes.yml"),
    }
    async with _running(environment) as process:
        url = f"http://127.0.0.1:{port}"
        ready = (await _answer(f"{url}/health/ready", 200)).json()
        assert ready["status"] == "ready"
        assert all(part["ok"] for part in ready["parts"].values())
        token = (tmp_path / "data" / "api-token").read_text().strip()
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:
            found = (await http.get(f"{url}/api/v1/recipes", params={"name": "from a file"})).json()
        assert len(found["items"]) == 1
        listening = [c.laddr.ip for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]


async def test_a_part_that_is_down_is_named_and_the_others_are_not(
    services: Addresses, settings: Settings, tmp_path: Path
) -> None:
    port = any_free_port()
    environment = services.environment() | {
        "MUSTER_DATABASE_URL": settings.database_url,
        "MUSTER_DATA_DIR": str(tmp_path),
        "MUSTER_API_PORT": str(port),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "MUSTER_AMQP_URL": "amqp://guest:guest@127.0.0.1:1/",
    }
    async with _running(environment):
        parts = (await _answer(f"http://127.0.0.1:{port}/health/ready", 503)).json()["parts"]
        assert {name for name, part in parts.items() if not part["ok"]} == {"temporal", "rabbitmq"}


@pytest.mark.parametrize("database_url", ["", "unreachable"])
async def test_it_says_why_it_does_not_start(settings: Settings, tmp_path: Path, database_url: str) -> None:
    url = make_url(settings.database_url).set(host="127.0.0.1", port=1) if database_url else ""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        cwd=ROOT,
        env={**os.environ, "MUSTER_DATABASE_URL": text, "MUSTER_DATA_DIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    last = errors.decode().strip().splitlines()[-1]
    assert "MUSTER_DATABASE_URL" in last or "PostgreSQL does not answer" in last
