"""One launcher per data folder."""

import fcntl
import os
from pathlib import Path
from typing import IO


class FolderInUse(Exception):
    """Another launcher holds the folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(f"A stack is already running on {folder} (pid {pid}).")
        self.pid = pid


class FolderLock:
    """A lock that the kernel releases when its holder dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock or raise `FolderInUse` with the pid of who has it."""
        file = (self._folder / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                raise FolderInUse(self._folder, int(file.read() or 0)) from None
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
    """Pid of the running launcher of this folder, or None."""
    if not (folder / "lock").exists():
        return None
    lock = FolderLock(folder)
    try:
        lock.acquire()
    except FolderInUse as error:
        return error.pid
    lock.release()
    return None
