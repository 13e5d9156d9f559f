import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stack.lock import STARTING_OR_STOPPING, FolderInUse, FolderLock, holder
from tests.support.muster_command import ROOT

HOLD = "import sys; from pathlib import Path; from cli.stack.lock import FolderLock; \
lock = FolderLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"


def test_the_second_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.acquire()
    with pytest.raises(FolderInUse, match=f"pid {os.getpid()}"):
        FolderLock(tmp_path).acquire()
    first.release()
    assert holder(tmp_path) is None


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        assert holder(tmp_path) == other.pid
        other.kill()
        other.wait()
        assert holder(tmp_path) is None


def test_a_launcher_that_has_not_said_who_it_is_is_starting_or_stopping(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder(tmp_path) == STARTING_OR_STOPPING
        with pytest.raises(FolderInUse, match="starting or stopping"):
            FolderLock(tmp_path).acquire()


def test_down_sends_no_signal_before_it_knows_to_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signalled: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: signalled.append(pid))
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, [file, fcntl.LOCK_UN]).start()
        result = CliRunner().invoke(app, ["down"])
    assert "Nothing runs here any more." in result.output
    assert signalled == []


def test_status_names_no_pid_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    (tmp_path / "addresses.json").touch()
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert "Starting or stopping." in result.output


def test_a_look_does_not_make_a_start_fail(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as `holder` does for a moment
        assert holder(tmp_path) is None
        threading.Timer(0.1, fcntl.flock, [file, fcntl.LOCK_UN]).start()
        lock = FolderLock(tmp_path)
        lock.acquire()
        assert holder(tmp_path) == os.getpid()
        lock.release()
