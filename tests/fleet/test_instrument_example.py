"""The instrument of docs/instruments.md runs, as it is printed there."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from fleet.downlink import AssignmentMessage, Delivery, Downlink
from fleet.roles import Intake
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.tables import agents, assignments
from tests.fleet.conftest import YARD, address, agent_row, until
from tests.support.device_rows import DeviceRows
from tests.support.rows import Rows
from tests.support.sdk_process import agents_python

PAGE = (Path(__file__).parents[2] / "docs" / "instruments.md").read_text()


@pytest.fixture
async def rows(
    intake: Intake, settings: Settings, database: Database, uuid: str, tmp_path: Path
) -> AsyncIterator[DeviceRows]:
    """The instrument runs, and is free."""
    await Rows(database).made(agents, uuid=uuid, agent_class="instrument")
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "instrument.py").write_text(program)
    url = urlsplit(settings.amqp_url)
    where = (url.hostname or "127.0.0.1", str(url.port or 5672), unquote(url.path[1:]) or "/")
    process = await asyncio.create_subprocess_exec(
        str(agents_python()),
        *("instrument.py", *where, uuid, YARD),
        cwd=tmp_path,
        env={"REGISTRATION_TOKEN": settings.agent_registration_token.get_secret_value()},
        stdout=asyncio.subprocess.DEVNULL,
    )
    made = await DeviceRows.make(database, instrument=uuid)

    async def free() -> object:
        assert process.returncode is None
        return (await agent_row(database, uuid))["status"] == "free" and await made.state() == "COMMAND"

    try:
        await until(free)
        yield made
    finally:
        process.kill()
        await process.wait()


async def test_the_instrument_of_the_page_takes_commands_and_tells_its_state_and_its_events(
    rows: DeviceRows, database: Database, downlink: Downlink, uuid: str
) -> None:
    agent = await address(database, uuid)

    async def send(name: str) -> None:
        data: dict[str, Any] = {"command": {"method": "execute_resource", "name": name, "args": [], "kwargs": {}}}
        command = await Rows(database).made(
            assignments,
            work_process_id=rows.mission,
            attempt=1,
            step="thread-0",
            result_index=len(name),
            dispatch_group=0,
            agent_id=rows.instrument,
            workflow_id="of-the-thread",
            status="executing",
            intent_at=utc_now(),
            dispatched_at=utc_now(),
            data=data,
        )
        message = AssignmentMessage(command, rows.mission, 1, "2026-01-02 03:04:05", {"dependencies": []}, data)
        assert await downlink.assign(agent, message) is Delivery.DELIVERED

    async def is_(status: str) -> None:
        async def there() -> object:
            return (await agent_row(database, uuid))["status"] == status

        await until(there)

    for number, word in enumerate(("START_AUTOSAMPLE", "sampleTaken", "DANCE")):
        await rows.arm(number, word)
    await downlink.reserve(agent, work_process_id=rows.mission)
    await is_("ready")
    await send("START_AUTOSAMPLE")

    async def kept(number: int) -> object:
        return await rows.kept(number)

    await until(lambda: kept(0))
    assert await rows.state() == "STREAMING"
    await send("DANCE")
    await send("ACQUIRE_SAMPLE")
    await until(lambda: kept(1))
    assert (await rows.state(), await rows.kept(2)) == ("COMMAND", 0)
    await downlink.release(agent, work_process_id=rows.mission)
    await is_("free")
