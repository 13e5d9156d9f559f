import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.lock import FolderInUse, FolderLock, holder
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
