"""One launcher per data folder."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

STARTING_OR_STOPPING = 0
"""Stands for the pid of a launcher that has the folder and has not written its pid, or has wiped it already."""

_PATIENCE = 0.5  # seconds: a look by `holder` is over long before


class FolderInUse(Exception):
    """Another launcher holds the folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(f"A stack is already running on {folder} ({f'pid {pid}' if pid else 'starting or stopping'}).")
        self.pid = pid


class FolderLock:
    """A lock that the kernel releases when its holder dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock or raise `FolderInUse` with the pid of who has it."""
        file = (self._folder / "lock").open("a+")
        deadline = time.monotonic() + _PATIENCE
        while not _locked(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                with file:
                    raise FolderInUse(self._folder, _pid_in(file))
            time.sleep(0.02)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._file is not None

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two launchers lock two different files."""
        if self._file:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def holder(folder: Path) -> int | None:
    """Pid of the running launcher of this folder, `STARTING_OR_STOPPING`, or None if there is no launcher."""
    try:
        file = (folder / "lock").open()
    except FileNotFoundError:
        return None
    with file:
        # Shared, so that those who only look do not take each other for a launcher.
        return None if _locked(file, fcntl.LOCK_SH) else _pid_in(file)


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(file: IO[str]) -> int:
    file.seek(0)
    return int(file.read() or STARTING_OR_STOPPING)
