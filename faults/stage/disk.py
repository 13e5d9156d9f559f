"""A disk of its own for one folder: small, so that it can be full. Needs root, and Linux."""

import os
import shutil
import subprocess
from pathlib import Path

_SIZE = 3 * 1024**3
"""Bytes: PostgreSQL keeps up to 2 GB of its log. The file is as large as what is written to it."""
_FILLER = "filler"


class NoDisk(RuntimeError):
    """This machine does not let us mount one."""


class SmallDisk:
    """An ext4 in a file, mounted on a folder."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image

    def mount(self) -> None:
        """Make and mount it; raises NoDisk."""
        with self._image.open("wb") as file:
            file.truncate(_SIZE)
        for command in (
            ["mkfs.ext4", "-q", "-F", "-m", "0", str(self._image)],
            ["mount", "-o", "loop", str(self._image), str(self.folder)],
        ):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError as error:
                raise NoDisk(f"{command[0]} is not on this machine") from error
            if done.returncode:
                raise NoDisk(f"{command[0]}: {done.stderr.strip()}")

    def unmount(self) -> None:
        """Let go of it, if it is mounted."""
        if os.path.ismount(self.folder):
            # Lazily: who still has a file open there is being killed.
            subprocess.run(["umount", "--lazy", self.folder], capture_output=True, check=False)

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / _FILLER).open("wb") as file:
            room = shutil.disk_usage(self.folder).free
            while room >= 1:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), room)
                except OSError:
                    room //= 2

    def free(self) -> None:
        """Have room again."""
        (self.folder / _FILLER).unlink()
