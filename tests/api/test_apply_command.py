"""`muster apply` against the API: several files, all of them or none."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from httpx import AsyncClient
from rich.console import Console

from api.imports import Existing
from cli.files import apply, validate
from settings import Settings
from store.database import Database
from tests.api.conftest import TOKEN, stored
from tests.api.test_bad_files import FORMS


@pytest.fixture(scope="session")
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app's address, on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def applied(url: str, *files: Path, existing: Existing = Existing.REPLACE, token: str = TOKEN) -> tuple[int, str]:
    """Exit code and output."""
    console = Console(record=True, width=1000)
    settings = Settings(api_url=url, api_token=token)
    code = await asyncio.to_thread(apply, settings, files, existing, console)
    return code, console.export_text()


@pytest.mark.parametrize(("text", "wrong"), FORMS)
async def test_wrong_files_are_told_as_validate_tells_them_and_nothing_is_applied(
    world: AsyncClient, database: Database, served: str, tmp_path: Path, text: str, wrong: object
) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("recipes: [{name: fine, steps: [{step: a, serviceType: drive}]}]")
    bad.write_text(text)
    before = await stored(database)
    code, told = await applied(served, good, bad)
    console = Console(record=True, width=1000)
    assert (code, validate([good, bad], console)) == (1, 1)
    assert told == console.export_text() + "Nothing was applied.\n"
    assert await stored(database) == before


async def test_files_of_both_kinds_and_forms_are_applied_and_again(
    world: AsyncClient, served: str, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.yml", tmp_path / "theirs.yml"
    ours.write_text(
        'services: [{name: s, type: s, url: "http://x/"}]\nrecipes: [{name: r, fallbackMission: late'
        ", steps: [{step: a, serviceType: drive}]}]"
    )
    theirs.write_text("missions: {late: {recipe: {steps: [{step: a, service_type: drive}]}}}")
    assert await applied(served, ours, theirs) == (0, f"{ours}: created s, r\n{theirs}: created late\n")
    ours.write_text('services: [{name: s, type: s, url: "http://y/"}]')
    assert await applied(served, ours) == (0, f"{ours}: replaced s\n")
    (service,) = (await world.get("/services", params={"type": "s"})).json()["items"]
    assert service["url"] == "http://y/"


async def test_what_only_the_store_knows_names_its_file_and_place(
    world: AsyncClient, database: Database, served: str, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text("recipes: [{name: fine, steps: [{step: a, serviceType: drive}]}]")
    two.write_text('services: [{name: clash, type: drive, url: "http://x/"}]')
    before = await stored(database)
    code, told = await applied(served, one, two)
    assert code == 1
    assert f"{two}: services.0: " in told
    assert "(line 1, column 12)" in told
    two.write_text("recipes: [{name: driving, steps: [{step: a, serviceType: drive}]}]")
    code, told = await applied(served, one, two, existing=Existing.REFUSE)
    assert code == 1
    assert f"{two}: recipes.0.name: 'driving' is there already" in told
    assert await stored(database) == before


async def test_a_file_that_cannot_be_read_stops_all(
    world: AsyncClient, database: Database, served: str, tmp_path: Path
) -> None:
    good = tmp_path / "good.yml"
    good.write_text("recipes: [{name: fine, steps: [{step: a, serviceType: drive}]}]")
    before = await stored(database)
    code, told = await applied(served, good, tmp_path / "none.yml")
    assert code == 1
    assert "none.yml: cannot be read" in told
    assert await stored(database) == before


async def test_a_wrong_token_is_said(world: AsyncClient, served: str, tmp_path: Path) -> None:
    good = tmp_path / "good.yml"
    good.write_text("recipes: [{name: fine, steps: [{step: a, serviceType: drive}]}]")
    code, told = await applied(served, good, token="wrong")
    assert code == 1
    assert "MUSTER_API_TOKEN" in told
