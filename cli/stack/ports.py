"""Ports: those of the last start, since agents were given them; else the usual ones, or free ones."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens on the port and it can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A bind beside a listener on 0.0.0.0 succeeds on macOS, so ask first whether someone answers.
        probe.settimeout(0.5)
        if probe.connect_ex((host, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_free_port(avoid: set[int] | None = None) -> int:
    """A port that the kernel gives out now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in (avoid or ()):
            return port


class Ports:
    """The ports of one stack, remembered in a file."""

    def __init__(self, file: Path, *, usual: bool = True) -> None:
        self._file = file
        self._usual = usual
        self._remembered: dict[str, int] = {}
        if file.exists():
            self._remembered = {str(name): int(port) for name, port in json.loads(file.read_text()).items()}
        self._chosen: dict[str, int] = {}

    def choose(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """A free port for each name: the one of the last start, else the usual one (0: none), else any.

        Called again with the same names after a failed bind, it gives other ports for those that were taken.
        """
        for name in wanted:
            self._chosen.pop(name, None)
        for name, usual in wanted.items():
            candidates = [self._remembered.get(name, 0), usual if self._usual else 0]
            others = set(self._chosen.values())
            self._chosen[name] = next(
                (port for port in candidates if port and port not in others and is_free(port)), 0
            ) or any_free_port(others | {usual})
        self._remembered |= self._chosen
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(self._remembered, indent=1))
        temporary.replace(self._file)
        return {name: self._chosen[name] for name in wanted}

    def remembered(self, name: str) -> int:
        """The port that this name had last, or 0."""
        return self._remembered.get(name, 0)
