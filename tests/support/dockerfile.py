"""What the Dockerfile says."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """One FROM and what follows it; instructions of the stage that it is built on come first."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.steps if name == instruction]

    @property
    def command(self) -> list[str]:
        return [str(part) for part in json.loads(self.all("CMD")[-1])]

    @property
    def health(self) -> tuple[dict[str, str], list[str]]:
        """(options, command)"""
        options, _, command = self.all("HEALTHCHECK")[-1].partition(" CMD ")
        return dict(re.findall(r"--([\w-]+)=(\S+)", options)), [str(part) for part in json.loads(command)]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for value in self.all("ENV") for pair in shlex.split(value))


def stages() -> dict[str, Stage]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(str.strip, text.splitlines()):
        instruction, value = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = value.partition(" AS ")
            parent = found.get(base)
            current = Stage(name, parent.base if parent else base, list(parent.steps) if parent else [])
            found[name] = current
        else:
            current.steps.append((instruction, value))
    return found
