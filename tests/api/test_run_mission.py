"""RUN_MISSION over the API: the file itself as body, or in JSON."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from httpx import AsyncClient, Response
from rich.console import Console
from sqlalchemy import insert, select

from cli.mission_files import run, validate
from missions.mission_files.platform_states import PlatformState
from settings import Settings
from store.database import Database
from store.device_tables import platforms
from store.tables import events
from tests.api.conftest import TOKEN, RecordingWaker, created, problem, stored
from tests.api.test_apply_command import served

FIXTURES = (served,)
MISSIONS = "/platforms/LJ01D/missions"
FILE = """\
name: bursts  # of the CTD
mission:
  - instrumentID: [CTD_1]
    schedule: {startTime: 2026-01-01}
    missionSequence:
      - command: execute_resource(ACQUIRE_SAMPLE)
"""
WRONG = FILE.replace("CTD_1", "CTD_9").replace("startTime: 2026-01-01", "startTime: soon")
KEY = {"Idempotency-Key": "k1"}


@pytest.fixture
async def platform(api: AsyncClient, database: Database) -> AsyncClient:
    """A client of a platform (1) that can run missions, with one instrument (2)."""
    await created(api, "/yards", {"uid": "north"})
    await created(api, "/agents", {"uuid": "LJ01D", "agentClass": "platform", "alias": "PRE:深海", "yardId": 1})
    await created(api, "/agents", {"uuid": "CTD_1", "agentClass": "instrument", "parentId": 1, "yardId": 1})
    async with database.transaction() as connection:
        await connection.execute(insert(platforms).values(agent_id=1, state=PlatformState.COMMAND))
    return api


async def sent(api: AsyncClient, content: str | bytes = FILE, kind: str = "application/yaml", **query: Any) -> Response:
    headers = {"Content-Type": kind} if kind else {}
    return await api.post(MISSIONS, content=content, params=query, headers=headers)


async def priority(api: AsyncClient, made: Response) -> Any:
    return (await api.get(f"/work-processes/{made.json()['workProcessId']}")).json()["priority"]


async def load_errors(database: Database) -> list[str]:
    async with database.transaction() as connection:
        rows = await connection.execute(select(events.c.payload).where(events.c.type == "mission.load_error"))
        return [row.payload["plan_id"] for row in rows]


@pytest.mark.parametrize(
    "kind", ["application/yaml", "text/yaml; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ""]
)
async def test_a_file_is_run_as_it_is(platform: AsyncClient, waker: RecordingWaker, kind: str) -> None:
    answer = await sent(platform, kind=kind, missionId="ctd-1", priority="HIGH", onBusy="refuse")

    assert answer.status_code == 201, answer.text
    assert (answer.json()["missionId"], answer.json()["name"]) == ("ctd-1", "bursts")
    assert await priority(platform, answer) == "HIGH"
    assert answer.headers["Location"] == "/api/v1/platforms/LJ01D/missions/ctd-1"
    assert (await platform.get(f"{MISSIONS}/ctd-1/file")).json() == {"missionId": "ctd-1", "missionYaml": FILE}
    assert len(waker.sent) == 1


async def test_json_says_all_of_it_and_the_query_counts_before_it(platform: AsyncClient) -> None:
    body = {"missionId": "ctd-1", "missionYaml": FILE, "priority": "LOW"}
    assert await priority(platform, await platform.post(MISSIONS, json=body)) == "LOW"
    answer = await platform.post(MISSIONS, json=body, params={"missionId": "ctd-2", "priority": 30})
    assert (answer.json()["missionId"], await priority(platform, answer)) == ("ctd-2", "HIGH")


async def test_its_address_is_one_whatever_the_platform_is_called(platform: AsyncClient) -> None:
    answer = await platform.post("/platforms/PRE:深海/missions", json={"missionId": "ctd-1", "missionYaml": FILE})
    assert answer.status_code == 201, answer.text
    assert (await platform.get(answer.headers["Location"].removeprefix("/api/v1"))).json()["missionId"] == "ctd-1"


async def test_the_same_mission_in_either_form_is_made_once(platform: AsyncClient, database: Database) -> None:
    first = await platform.post(MISSIONS, content=FILE, params={"missionId": "ctd-1"}, headers=KEY)
    assert first.status_code == 201
    before = await stored(database)
    body = {"missionId": "ctd-1", "missionYaml": FILE}
    for again in (
        await platform.post(MISSIONS, content=FILE, params={"missionId": "ctd-1"}, headers=KEY),
        await platform.post(MISSIONS, json=body, headers=KEY),
    ):
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["Location"] == first.headers["Location"]
    problem(await platform.post(MISSIONS, json=body | {"missionYaml": FILE + "\n"}, headers=KEY), 422)
    problem(await platform.post(MISSIONS, content=FILE, params={"missionId": "ctd-2"}, headers=KEY), 422)
    assert await stored(database) == before


@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_what_is_wrong_with_a_file_is_told_with_its_places(
    platform: AsyncClient, database: Database, form: str
) -> None:
    if form == "yaml":
        answer = await sent(platform, WRONG, missionId="ctd-1")
    else:
        answer = await platform.post(MISSIONS, json={"missionId": "ctd-1", "missionYaml": WRONG})
    assert [error["field"] for error in problem(answer, 422)["errors"]] == ["missionYaml:3:20", "missionYaml:4:27"]
    assert await load_errors(database) == ["ctd-1"]
    problem(await platform.get(f"{MISSIONS}/ctd-1"), 404)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"mission: \x00", b"[" * 500_000])
async def test_no_bytes_are_too_odd(platform: AsyncClient, database: Database, content: bytes) -> None:
    found = problem(await sent(platform, content, missionId="ctd-1"), 422)
    assert found["errors"][0]["field"].startswith("missionYaml:1:")
    assert await load_errors(database) == ["ctd-1"]


async def test_without_an_id_it_is_told_where_that_is_sent(platform: AsyncClient, database: Database) -> None:
    before = await stored(database)
    (error,) = problem(await sent(platform), 422)["errors"]
    assert error["field"] == "missionId"
    assert "?missionId=" in error["remedy"]
    assert "application/json" in error["remedy"]
    assert await stored(database) == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"missionId": "a b"}, "missionId"),
        ({"missionId": ".."}, "missionId"),
        ({"missionId": "x" * 101}, "missionId"),
        ({"onBusy": "x"}, "onBusy"),
        ({"priority": 15}, "priority"),
        ({"timeScale": "fast"}, "timeScale"),
        ({"timeScale": 60}, "timeScale"),  # this server has the setting off
        ({"timeAnchor": "2026-01-01"}, "timeAnchor"),
        ({"missionYaml": FILE}, "missionYaml"),
    ],
)
async def test_what_a_query_may_not_say(
    platform: AsyncClient, database: Database, query: dict[str, Any], field: str
) -> None:
    before = await stored(database)
    found = problem(await sent(platform, **{"missionId": "ctd-1", **query}), 422)
    assert [error["field"] for error in found["errors"]] == [field]
    assert await stored(database) == before


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"", 400, None),
        (b"\xff", 400, None),
        (b"[]", 422, None),
        (b'{"missionId": "ctd-1"}', 422, "missionYaml"),
        (b'{"missionId": "ctd-1", "missionYaml": ""}', 422, "missionYaml"),
        (b'{"missionYaml": "x"}', 422, "missionId"),
        (b'{"missionId": "ctd-1", "missionYaml": "x", "x": 1}', 422, "x"),
        (b'{"missionId": "ctd-1", "missionYaml": "x", "timeScale": "1"}', 422, "timeScale"),
    ],
)
async def test_json_that_is_not_the_bodys(platform: AsyncClient, body: bytes, status: int, field: str | None) -> None:
    answer = await sent(platform, body, kind="Application/JSON; charset=utf-8")
    assert problem(answer, status)["errors"][0]["field"] == field


async def test_a_form_is_told_how_to_send_the_file(platform: AsyncClient, database: Database) -> None:
    before = await stored(database)
    answer = await platform.post(MISSIONS, files={"file": FILE.encode()}, params={"missionId": "ctd-1"})
    (error,) = problem(answer, 415)["errors"]
    assert f"curl --data-binary @FILE '…/api/v1{MISSIONS}?missionId=ID'" in error["remedy"]
    assert await stored(database) == before


async def test_a_platform_that_there_is_not(platform: AsyncClient) -> None:
    for name in ("LJ09D", "CTD_1", "2"):
        answer = await platform.post(f"/platforms/{name}/missions", content=FILE, params={"missionId": "ctd-1"})
        assert problem(answer, 404)["errors"][0]["value"] == name


async def test_the_command_line_runs_a_file(platform: AsyncClient, served: str, tmp_path: Path) -> None:
    file, wrong = tmp_path / "bursts.yml", tmp_path / "wrong.yml"
    file.write_text(FILE)
    wrong.write_text(WRONG)

    async def told(name: str, of: str = "LJ01D", mission_id: str = "ctd-1", url: str = served) -> tuple[int, list[str]]:
        console = Console(record=True, width=1000)
        settings = Settings(api_url=url, api_token=TOKEN)
        code = await asyncio.to_thread(run, settings, name, of, mission_id, console)
        return code, console.export_text().splitlines()

    for name, of, mission_id in ((str(file), "LJ01D", "ctd-1"), (str(file), "PRE:深海", "ctd-2")):
        address = f"{served}/api/v1/platforms/{quote(of, safe='')}/missions/{mission_id}"
        assert await told(name, of, mission_id) == (0, [f"{mission_id} {address}"])
        assert (await platform.get(address.removeprefix(f"{served}/api/v1"))).json()["missionId"] == mission_id
    checked = Console(record=True, width=1000)
    settings = Settings(api_url=served, api_token=TOKEN)
    assert await asyncio.to_thread(validate, settings, [str(wrong)], "LJ01D", checked) == 1
    assert await told(str(wrong)) == (1, checked.export_text().splitlines())
    for refused, words in (
        ((str(file),), "mission 'ctd-1' runs on platform 'LJ01D' already (work process 1); choose another id"),
        ((str(file), "LJ09D"), "there is no platform 'LJ09D'; use the uuid, alias or id"),
        ((str(file), "LJ01D", "a b"), "missionId: "),
        ((str(tmp_path / "none.yml"),), f"{tmp_path / 'none.yml'}: cannot be read: No such file or directory"),
        ((str(file), "LJ01D", "ctd-3", "http://127.0.0.1:1"), "The API at http://127.0.0.1:1 does not answer"),
    ):
        code, lines = await told(*refused)
        assert (code, len(lines)) == (1, 1)
        assert lines[0].startswith(words)


def references(document: Any) -> set[str]:
    if isinstance(document, list):
        return set().union(*map(references, document))
    if not isinstance(document, dict):
        return set()
    own = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
    return own.union(*map(references, document.values()))


async def test_both_forms_are_described(api: AsyncClient) -> None:
    document = (await api.get("http://muster/openapi.json")).json()
    for path in ("/api/v1/platforms/{platform}/missions", "/api/v1/mission-files/validate"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert set(content) == {"application/yaml", "text/yaml", "text/plain", "application/json"}
    run = document["paths"]["/api/v1/platforms/{platform}/missions"]["post"]
    assert [each["name"] for each in run["parameters"] if each["in"] == "query"] == [
        "missionId",
        "onBusy",
        "priority",
        "timeScale",
        "timeAnchor",
    ]
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
