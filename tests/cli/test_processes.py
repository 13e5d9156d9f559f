import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from cli.stack.part import PartFailed, wait_until_ready
from cli.stack.postgres import Postgres
from cli.stack.processes import LOGS_KEPT, Child, Processes
from tests.support.muster_command import alive, eventually

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(100)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(100)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'], start_new_session='own' in sys.argv); "
    "print('up', flush=True); time.sleep(100)",
]


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    processes = Processes(tmp_path, f"test-{tmp_path}")
    yield processes
    await processes.stop_marked()
    for child in processes.children.values():
        await child.process.wait()


def until_up(child: Child) -> None:
    eventually(lambda: "up" in child.log.read_text(), "the child's first line", 10)


async def test_a_child_leads_a_session_of_its_own(processes: Processes) -> None:
    child = await processes.spawn("one", SLEEP)
    assert os.getsid(child.record.pid) == child.record.pid
    await processes.stop("one")
    assert not child.record.is_alive()
    assert processes.recorded() == {}


async def test_a_child_that_does_not_listen_is_killed_after_its_grace(processes: Processes) -> None:
    child = await processes.spawn("deaf", DEAF, grace=0.3)
    until_up(child)
    await processes.stop("deaf")
    assert child.process.returncode == -signal.SIGKILL


async def test_stop_takes_the_grandchildren_along(processes: Processes) -> None:
    child = await processes.spawn("parent", PARENT)
    until_up(child)
    family = [psutil.Process(child.record.pid), *psutil.Process(child.record.pid).children()]
    assert len(family) == 2
    await processes.stop("parent")
    assert alive(family) == []


async def test_the_logs_of_earlier_starts_are_kept_up_to_a_number(processes: Processes, tmp_path: Path) -> None:
    for number in range(LOGS_KEPT + 3):
        child = await processes.spawn("one", ["/bin/echo", str(number)])
        await child.process.wait()
    logs = tmp_path / "logs"
    kept = ["one.log", *(f"one.log.{number}" for number in range(1, LOGS_KEPT + 1))]
    assert sorted(file.name for file in logs.iterdir()) == kept
    assert [int((logs / name).read_text()) for name in kept] == [*range(LOGS_KEPT + 2, 1, -1)]


async def test_the_next_start_stops_what_a_killed_launcher_left(processes: Processes, tmp_path: Path) -> None:
    child = await processes.spawn("server", SLEEP)
    next_start = Processes(tmp_path, "another-marker")
    await next_start.stop_leftovers(["server", "never-started"])
    assert not child.record.is_alive()
    assert next_start.recorded() == {}


async def test_orphans_are_found_when_their_parent_is_gone_and_their_session_is_another(
    processes: Processes, tmp_path: Path
) -> None:
    child = await processes.spawn("fleet", [*PARENT, "own"])
    until_up(child)
    (grandchild,) = psutil.Process(child.record.pid).children()
    child.process.kill()
    await child.process.wait()
    assert alive([grandchild])
    await Processes(tmp_path, f"test-{tmp_path}").stop_marked()
    assert alive([grandchild]) == []


async def test_a_process_that_got_a_recorded_pid_later_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    child = await processes.spawn("server", SLEEP)
    older = child.record.model_copy(update={"started": child.record.started - 100})
    (tmp_path / "processes" / "server.json").write_text(older.model_dump_json())
    await Processes(tmp_path, "another-marker").stop_leftovers(["server"])
    assert child.record.is_alive()


async def test_a_part_that_ends_at_once_shows_its_last_lines_and_the_remedy(processes: Processes) -> None:
    child = await processes.spawn("postgres", [sys.executable, "-c", "raise SystemExit('no space left')"])

    async def never() -> bool:
        return False

    with pytest.raises(PartFailed) as failed:
        await wait_until_ready(Postgres, child, never, timeout=10)
    assert "no space left" in failed.value.log
    assert "MUSTER_DATABASE_URL" in failed.value.remedy
    assert str(child.log) in failed.value.remedy


async def test_a_part_that_never_answers_fails_after_its_time(processes: Processes) -> None:
    child = await processes.spawn("postgres", SLEEP)

    async def never() -> bool:
        await asyncio.sleep(0)
        return False

    with pytest.raises(PartFailed, match="did not come up within 0 s"):
        await wait_until_ready(Postgres, child, never, timeout=0.2)
