"""The planner and the agents of the stage, which processes they live in, and what they wrote down."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from examples.crew import AGENTS_PYTHON, HERE

YARD = "yard"
SDK_AGENTS = ("sdk-1", "sdk-2", "sdk-3")
PLATFORMS = 6
_THIN_PROCESSES = 4
_THIN_EACH = 24
PROBES = 3
PROBING = "probes"
"""The process of those that the measurement uses."""
ODD = "odd"
"""The process of those that misbehave."""
_ODD_AGENTS = 8
_BYSTANDERS = 6


@dataclass(frozen=True)
class Platform:
    """A platform and its instruments, all in one process."""

    uuid: str
    ctds: tuple[str, ...]


def thin_agents() -> dict[str, list[str]]:
    """The uuids of the thin agents of each process."""
    return {f"agents-{p}": [f"thin-{p}-{n}" for n in range(_THIN_EACH)] for p in range(1, _THIN_PROCESSES + 1)}


def probes() -> list[str]:
    """Agents that only the measurement uses."""
    return [f"probe-{n}" for n in range(PROBES)]


def odd_agents() -> list[str]:
    """Agents that misbehave when their assignments say so."""
    return [f"odd-{n}" for n in range(_ODD_AGENTS)]


def bystanders() -> list[str]:
    """Agents that only work beside those that misbehave."""
    return [f"bystander-{n}" for n in range(_BYSTANDERS)]


def platforms() -> list[Platform]:
    """All of them; each is a process, named as it is."""
    return [Platform(f"PF{n}", (f"CTD{n}A", f"CTD{n}B")) for n in range(PLATFORMS)]


class Crew:
    """How each is started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def thin(self) -> list[str]:
        """The processes of thin agents."""
        return [*_processes()]

    @property
    def devices(self) -> list[str]:
        """The processes of platforms."""
        return [platform.uuid for platform in platforms()]

    @property
    def sdk(self) -> list[str]:
        """The processes of agents on the SDK."""
        return list(SDK_AGENTS)

    def journal(self, name: str) -> Path:
        """What a process's agents wrote."""
        return self._folder / f"{name}.journal"

    def written(self, name: str) -> int:
        """How many bytes a process's agents wrote so far."""
        journal = self.journal(name)
        return journal.stat().st_size if journal.exists() else 0

    def is_there(self, name: str, written: int) -> bool:
        """Whether all agents of a process have checked in and listen, by what it wrote after so many bytes."""
        if self.written(name) == written:
            return False
        with self.journal(name).open("rb") as file:
            file.seek(written)
            lines = [json.loads(line) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
        if name in SDK_AGENTS:
            return any("says" in line for line in lines)
        if name in self.devices:
            return any(line["what"] == "started" for line in lines)
        return {line["agent"] for line in lines if line["what"] == "listens"} >= set(_processes()[name])

    @property
    def planner_journal(self) -> Path:
        """What the planner was asked."""
        return self._folder / "jobs" / "journal"

    def planner_command(self, port: int) -> list[str | Path]:
        """Of Python."""
        return ["-m", "faults.stage.planner", "--port", str(port), "--jobs", self._folder / "jobs"]

    def command(self, name: str, amqp_url: str) -> list[str | Path]:
        """The whole command of a process of agents."""
        journal = str(self.journal(name))
        thin = _processes()
        if name in thin:
            slowness = "2" if name in thin_agents() else "0"
            named = [f"{uuid}@{YARD}" for uuid in thin[name]]
            return [sys.executable, "-m", "faults.stage.agents", "--journal", journal, "--slowness", slowness, *named]
        if name in SDK_AGENTS:
            url = urlsplit(amqp_url)
            return [
                *(AGENTS_PYTHON, "-u", HERE / "agent.py", "--uuid", name, "--yard", YARD),
                *("--host", url.hostname or "", "--port", str(url.port), "--vhost", unquote(url.path[1:]) or "/"),
                *("--log", journal),
            ]
        platform = next(each for each in platforms() if each.uuid == name)
        ctds = [word for ctd in platform.ctds for word in ("--ctd", ctd)]
        options = ["--journal", journal, "--yard", YARD, "--platform", platform.uuid, *ctds]
        return [sys.executable, "-m", "faults.stage.devices", *options]


def _processes() -> dict[str, list[str]]:
    """All thin agents, by process."""
    return {**thin_agents(), PROBING: [*probes(), *bystanders()], ODD: odd_agents()}
