"""CPU time by process, children included, and what the machine did besides."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Used:
    """Seconds of CPU: by process of ours, and of the whole machine."""

    by_name: Mapping[str, float]
    machine: float

    def since(self, earlier: "Used") -> "Used":
        """What was used in between."""
        return Used(
            {name: seconds - earlier.by_name.get(name, 0.0) for name, seconds in self.by_name.items()},
            self.machine - earlier.machine,
        )

    def __add__(self, other: "Used") -> "Used":
        names = {*self.by_name, *other.by_name}
        return Used(
            {name: self.by_name.get(name, 0.0) + other.by_name.get(name, 0.0) for name in names},
            self.machine + other.machine,
        )

    @property
    def ours(self) -> float:
        """What all processes of ours used."""
        return sum(self.by_name.values())

    @property
    def others(self) -> float:
        """What the machine did besides."""
        return max(0.0, self.machine - self.ours)

    def per(self, count: int) -> dict[str, float]:
        """Milliseconds for each of so many, by process, most first."""
        return {
            name: round(1000 * seconds / max(count, 1), 2)
            for name, seconds in sorted(self.by_name.items(), key=lambda item: -item[1])
        }


NOTHING = Used({}, 0.0)


def used(pids: Mapping[str, int]) -> Used:
    """What these processes, and this one as `driver`, used so far."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0)
    driver = psutil.Process().cpu_times()  # alone: all the others are its children
    by_name = {name: _of(pid) for name, pid in pids.items()} | {"driver": driver.user + driver.system}
    return Used(by_name, sum(times[:8]) - idle)


def _of(pid: int) -> float:
    """Of a process with its descendants, those included that have ended."""
    try:
        leader = psutil.Process(pid)
        each = [member.cpu_times() for member in [leader, *leader.children(recursive=True)]]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(times.user + times.system + times.children_user + times.children_system for times in each)


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_name(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
