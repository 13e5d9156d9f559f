"""Processes of a benchmark or of the fault run: they talk to the driver by lines of JSON on their standard streams.

A child ends when its standard input does, so none outlives the driver, however that ends.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_LINE_LIMIT = 1024 * 1024


def say(*words: object) -> None:
    """Tell the driver, from a child. One write for one line: short ones are atomic in a pipe."""
    os.write(1, json.dumps(words, separators=(",", ":")).encode() + b"\n")


async def until_the_driver_is_gone() -> None:
    """Wait, in a child, for the end of its standard input."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
    await stream.read()


class Child:
    """A module in a process of its own. Use as an async context manager."""

    def __init__(self, module: str, *options: str, env: Mapping[str, str], log: Path) -> None:
        self.name = module
        self._command = [sys.executable, "-m", module, *options]
        self._env = env
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE_LIMIT,
                env={**os.environ, **self._env},
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C reaches the driver only, which then ends its children
            )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def lines(self) -> AsyncIterator[list[Any]]:
        """What it says; raises RuntimeError, with its last words, when it ends by itself."""
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            yield json.loads(line)
        raise self._ended()

    def check(self) -> None:
        """Raises RuntimeError, with its last words, if it has ended by itself."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise self._ended()

    def _ended(self) -> RuntimeError:
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        return RuntimeError(f"{self.name} ended by itself; its log is {self._log}:\n{tail}")

    async def tell(self, line: str) -> None:
        """Write a line to its standard input; raises RuntimeError, with its last words, when it ended by itself."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError:
            raise self._ended() from None

    async def first(self, word: str, timeout: float = 60.0) -> list[Any]:
        """Wait for the line that begins with this word; lines before it are dropped."""
        async with asyncio.timeout(timeout):
            async for line in self.lines():
                if line[0] == word:
                    return line
        raise AssertionError("lines() ends by raising")
