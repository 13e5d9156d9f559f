"""Mission files over the API: the same answers as the command line's, and against a platform."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from rich.console import Console

from api.app import create_app
from cli.mission_files import validate
from missions.mission_files.reader import read_mission_file
from missions.mission_files.schema import mission_file_schema
from settings import Settings
from store.database import Database
from tests.api.conftest import TOKEN, created, problem, stored
from tests.api.test_apply_command import served

FIXTURES = (served,)
FORMATS = jsonschema.FormatChecker(())
"""Only what RFC 3339 says of times: the library has the other formats without what it needs for this one."""
FORMATS.checks("date-time", ValueError)(lambda text: datetime.fromisoformat(text).tzinfo is not None)
FILES = Path(__file__).parents[1] / "mission_files"
WRONG = "mission:\n  - instrumentID: [A]\n    schedule: {startTime: soon}\n    missionSequence: [{command: wait(x)}]\n"
YAML = {"Content-Type": "application/yaml"}


async def checked(api: httpx.AsyncClient, content: str | bytes, **params: Any) -> dict[str, Any]:
    answer = await api.post("/mission-files/validate", content=content, params=params, headers=YAML)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def platform(world: httpx.AsyncClient) -> dict[str, Any]:
    found = await created(world, "/agents", {"uuid": "LJ01D", "alias": "PRE:LJ01D", "agentClass": "platform"})
    return found


async def test_a_file_that_is_right_is_told_in_a_few_words(api: httpx.AsyncClient) -> None:
    found = await checked(api, (FILES / "05_profiler_events.yml").read_bytes())
    assert (found["valid"], found["errors"], found["warnings"]) == (True, [], [])
    assert found["plan"]["platform"] == "LJ01D"
    assert found["plan"]["threads"][0] == {
        "number": 0,
        "instruments": ["PRE:SBE37_SIM_02"],
        "startTime": "2014-07-18T00:00:00",
        "timeZone": "UTC",
        "interval": 21_600.0,
        "quantity": 4,
        "source": None,
        "event": None,
        "commands": [1, 3, 2],
    }
    assert (found["plan"]["threads"][1]["source"], found["plan"]["threads"][1]["event"]) == ("LJ01D", "atStep")
    components = create_app(Settings()).openapi()["components"]
    schema = {"$ref": "#/components/schemas/CheckedFile", "components": components}
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(found)


@pytest.mark.parametrize("kind", ["application/yaml", "text/plain; charset=utf-8", "application/json"])
async def test_what_is_wrong_is_what_the_reader_says_whatever_the_form(
    api: httpx.AsyncClient, database: Database, kind: str
) -> None:
    before = await stored(database)
    given: dict[str, Any] = {"json": {"content": WRONG}}
    if kind != "application/json":
        given = {"content": WRONG, "headers": {"Content-Type": kind}}
    found = (await api.post("/mission-files/validate", **given)).json()
    assert (found["valid"], found["plan"]) == (False, None)
    assert found["errors"] == [issue.model_dump() for issue in read_mission_file(WRONG).errors]
    assert len(found["errors"]) == 2
    assert await stored(database) == before


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 500_000])
async def test_no_content_is_too_odd(api: httpx.AsyncClient, content: bytes) -> None:
    assert not (await checked(api, content))["valid"]


async def test_devices_are_checked_against_a_platform(world: httpx.AsyncClient, platform: dict[str, Any]) -> None:
    content = (FILES / "01_scheduled_ctd.yml").read_text()
    for named in ({"platformId": platform["id"]}, {"platformId": "LJ01D"}, {"platformId": "PRE:LJ01D"}):
        sent = await world.post("/mission-files/validate", json={"content": content, **named})
        assert sent.json() == await checked(world, content, **named)
        assert sent.json()["errors"][0]["path"] == "mission[0].instrumentID[0]"
        assert sent.json()["errors"][0]["message"] == "the platform `LJ01D` has no `PRE:SBE37_SIM_02`"


async def test_the_query_counts_before_the_body(world: httpx.AsyncClient, platform: dict[str, Any]) -> None:
    content = (FILES / "01_scheduled_ctd.yml").read_text()
    sent = {"content": content, "platformId": "LJ09D"}
    answer = await world.post("/mission-files/validate", json=sent, params={"platformId": "LJ01D"})
    assert answer.json() == await checked(world, content, platformId="LJ01D")


@pytest.mark.parametrize("name", ["1", "truck-1", "LJ09D", "-1", str(10**30), ""])
async def test_a_platform_that_there_is_not(world: httpx.AsyncClient, name: str) -> None:
    for given in (
        {"content": WRONG, "params": {"platformId": name}, "headers": YAML},
        {"json": {"content": WRONG, "platformId": name}},
    ):
        (error,) = problem(await world.post("/mission-files/validate", **given), 422)["errors"]
        assert (error["field"], error["value"]) == ("platformId", name)


@pytest.mark.parametrize("wrong", [True, 1.5, ["LJ01D"]])
async def test_what_names_no_platform(api: httpx.AsyncClient, wrong: object) -> None:
    answer = await api.post("/mission-files/validate", json={"content": WRONG, "platformId": wrong})
    assert [error["field"] for error in problem(answer, 422)["errors"]] == ["platformId"]


async def test_a_form_is_told_how_to_send_the_file(api: httpx.AsyncClient) -> None:
    (error,) = problem(await api.post("/mission-files/validate", files={"file": b"x"}), 415)["errors"]
    assert error["value"] == "multipart/form-data"
    assert "curl --data-binary @FILE '…/api/v1/mission-files/validate'" in error["remedy"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"[]", 422, None),
        (b'{"content": 5}', 422, "content"),
        (b'{"content": "", "x": 1}', 422, "x"),
        (b'{"content": "", "platformUuid": "LJ01D"}', 422, "platformUuid"),
    ],
)
async def test_json_that_is_not_the_bodys(api: httpx.AsyncClient, body: bytes, status: int, field: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.post("/mission-files/validate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)


async def test_the_command_line_asks_the_api_about_a_platform(
    world: httpx.AsyncClient, platform: dict[str, Any], served: str
) -> None:
    settings, file = Settings(api_url=served, api_token=TOKEN), str(FILES / "01_scheduled_ctd.yml")
    for named in ("LJ01D", "PRE:LJ01D", str(platform["id"])):
        console = Console(record=True, width=1000)
        assert await asyncio.to_thread(validate, settings, [file], named, console) == 1
        told = console.export_text()
        assert f"{file}:10:20: error: the platform `LJ01D` has no `PRE:SBE37_SIM_02`" in told
    console = Console(record=True, width=1000)
    assert await asyncio.to_thread(validate, settings, [file], "LJ09D", console) == 1
    assert console.export_text() == "there is no platform 'LJ09D'\n"


async def test_the_schema_is_given(api: httpx.AsyncClient) -> None:
    answer = await api.get("/mission-files/schema")
    assert answer.json() == mission_file_schema()
    assert answer.headers["Content-Type"] == "application/schema+json"
