"""The instrument on the SDK, and the simulator as a process."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from tests.examples.instruments.conftest import Commanding
from tests.support.sdk_process import agents_python
from tests.support.site import TOKEN, YARD, Site, until
from tests.support.tap import tapped

ROOT = Path(__file__).parents[3]
START, SAMPLE = ("execute_resource", "START_AUTOSAMPLE"), ("execute_resource", "ACQUIRE_SAMPLE")


class Running:
    """A program of ours, what it said, and what it is told."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self._process, self._output = process, output

    def lines(self) -> list[dict[str, Any]]:
        """The lines of JSON; the SDK prints others, too."""
        lines = self._output.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    async def says(self, key: str, count: int = 1) -> list[dict[str, Any]]:
        """Its lines with this key, once there are so many."""

        async def there() -> bool:
            assert self._process.poll() is None, self._output.read_text()
            return sum(key in line for line in self.lines()) >= count

        await until(there, 15, lambda: self._output.read_text())
        return [line for line in self.lines() if key in line]

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def running(command: list[str], output: Path, **environment: str) -> Iterator[Running]:
    with output.open("wb") as file, output.with_suffix(".err").open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=errors,
        )
    try:
        yield Running(process, output)
    finally:
        process.terminate()
        process.communicate(timeout=10)


async def test_a_ctd_on_the_sdk(site: Site, command: Commanding, tmp_path: Path) -> None:
    amqp = urlsplit(site.addresses.amqp_url)
    uuid = f"SBE37_SDK_{secrets.token_hex(3)}"
    program = [
        *(str(agents_python()), "-m", "examples.instruments.sdk_ctd", "--uuid", uuid, "--yard", YARD),
        *("--host", amqp.hostname or "", "--port", str(amqp.port), "--vhost", unquote(amqp.path[1:])),
        *("--sampling", "0.1", "--order", "fail ACQUIRE_SAMPLE 2"),
    ]
    with running(program, tmp_path / "out", REGISTRATION_TOKEN="0000-0000-0000-0000-0000") as sdk_ctd:
        await sdk_ctd.says("listens")
        mission = await command(uuid, START, SAMPLE, SAMPLE, ("execute_agent", "RUN"))
        await mission.until("succeeded")
        done = [each["result"] for each in await mission.assignments()]
        assert [(each["state"], each["error"]) for each in done] == [
            ("STREAMING", None),
            ("STREAMING", None),
            ("STREAMING", "simulated fault"),
            ("STREAMING", "RUN is not possible in STREAMING, only in IDLE"),
        ]
        assert [line["name"] for line in await sdk_ctd.says("mission", 4)] == [
            "START_AUTOSAMPLE",
            "ACQUIRE_SAMPLE",
            "ACQUIRE_SAMPLE",
            "RUN",
        ]
        async with tapped(site.addresses) as tap:
            sdk_ctd.tell("emit atStep")
            sdk_ctd.tell("late 100")
            await sdk_ctd.says("order", 3)
            await tap.caught_up()
        event = {"type": "agent_event", "uuid": uuid, "body": {"event_id": "atStep", "value": None}}
        assert event in [each.inner for each in tap.messages]
        slow = await command(uuid, SAMPLE)
        await sdk_ctd.says("mission", 5)
        await slow.cancel()
        await slow.until("canceled")
        sdk_ctd.tell("deaf")
        await sdk_ctd.says("order", 4)
        unheard = await command(uuid, SAMPLE)
        await unheard.until_waiting("agent_not_listening")
        await unheard.cancel()
        await unheard.until("canceled")


async def test_the_simulator_as_a_process(site: Site, command: Commanding, tmp_path: Path) -> None:
    ctd, platform = f"SBE37_SIM_{secrets.token_hex(3)}", f"LJ_{secrets.token_hex(3)}"
    program = [
        *(sys.executable, "-m", "examples.instruments", "--yard", YARD, "--platform", platform, "--ctd", ctd),
        *("--order", f"{ctd} fail RUN 1", "--state", "IDLE", "--time-scale", "1000"),
    ]
    where = {"MUSTER_AMQP_URL": site.addresses.amqp_url}
    with running(program, tmp_path / "out", **where) as simulator:
        await simulator.says("listening")
        run, turn_on = ("execute_agent", "RUN"), ("execute_resource", "TURN_ON_PORT", 1)
        missions = await asyncio.gather(command(ctd, run, run, START), command(platform, turn_on))
        await asyncio.gather(*(mission.until("succeeded") for mission in missions))
        (first, second, third), (port,) = [[each["result"] for each in await m.assignments()] for m in missions]
        assert [first["error"], second["state"], third["state"]] == ["simulated fault", "COMMAND", "STREAMING"]
        assert port == {"value": {"port": "1", "on": True}, "state": None, "error": None}
        simulator.tell(f"{platform} profile")
        simulator.tell("nobody profile")
        answers = [line["answer"] for line in await simulator.says("answer", 3)]
        assert answers == ["done", "done", "no device 'nobody'"]


async def test_instruments_registered_by_the_simulator_say_their_state_once_more(site: Site, tmp_path: Path) -> None:
    ctd, platform = f"SBE37_SIM_{secrets.token_hex(3)}", f"LJ_{secrets.token_hex(3)}"
    program = [
        *(sys.executable, "-m", "examples.instruments", "--yard", YARD, "--platform", platform, "--ctd", ctd),
        "--register",
    ]
    where = {
        "MUSTER_AMQP_URL": site.addresses.amqp_url,
        "MUSTER_API_URL": f"http://{site.api.base_url.netloc.decode()}",
        "MUSTER_API_TOKEN": TOKEN,
    }
    with running(program, tmp_path / "out", **where) as simulator:
        await simulator.says("listening")

        async def known() -> bool:
            return [each["state"] for each in (await site.get(f"/platforms/{platform}"))["instruments"]] == ["COMMAND"]

        await until(known, 10)


async def test_a_device_whose_connection_is_closed_comes_back_and_the_others_stay(
    site: Site, command: Commanding, tmp_path: Path
) -> None:
    cut, other = f"SBE37_SIM_{secrets.token_hex(3)}", f"SBE37_SIM_{secrets.token_hex(3)}"
    program = [sys.executable, "-m", "examples.instruments", "--yard", YARD, "--ctd", cut, "--ctd", other]
    with running(program, tmp_path / "out", MUSTER_AMQP_URL=site.addresses.amqp_url) as simulator:
        await simulator.says("listening")
        await _close_connection(site, cut)
        said = await simulator.says("connection", 2)
        assert [(line["agent"], line["connection"]) for line in said] == [(cut, "lost"), (cut, "again")]
        missions = [await command(uuid, START) for uuid in (cut, other)]
        await asyncio.gather(*(mission.until("succeeded") for mission in missions))
    assert (tmp_path / "out.err").read_text() == ""


async def _close_connection(site: Site, user: str) -> None:
    """By the broker, once it lists it."""
    async with httpx.AsyncClient(
        base_url=site.addresses.amqp_management_url, trust_env=False, timeout=30
    ) as management:

        async def its() -> list[str]:
            return [one["name"] for one in (await management.get("/api/connections")).json() if one.get("user") == user]

        (name,) = await until(its, 15)
        (await management.delete(f"/api/connections/{quote(name, safe='')}")).raise_for_status()
