"""Files of archived events: JSON lines, gzip, each whole or not there at all."""

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

from missions.events import Event


def write(folder: Path, events: Sequence[Event]) -> Path:
    """Write events of following positions to a file of their day and positions; returns it once it is on the disk.

    It takes the place of a file that begins at the same position: then a process died before it removed the events.
    Raises OSError, and leaves nothing on a disk that is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, last = events[0], events[-1]
    start = f"events-{first.timestamp.date().isoformat()}-{first.sequence:012d}-"
    path = folder / f"{start}{last.sequence:012d}.jsonl.gz"
    draft = path.with_suffix(".part")
    try:
        with draft.open("wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6) as lines:
                for event in events:
                    lines.write(event.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.rename(path)
    _sync(folder)
    for older in folder.glob(f"{start}*.jsonl.gz"):
        if older != path:
            older.unlink()
    return path


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
