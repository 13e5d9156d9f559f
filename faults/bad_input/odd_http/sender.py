"""Opens the connections, and notes in the result what should not be."""

import asyncio
import re
from urllib.parse import urlsplit

from faults.bad_input.odd_http.request import Case
from faults.results import Result

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_PROBLEM = re.compile(rb"(?i)\r\ncontent-type: *application/problem\+json")


class Sender:
    """Of one API. `limit`: seconds that an answer may take."""

    def __init__(self, api_url: str, limit: float, result: Result) -> None:
        parts = urlsplit(api_url)
        self._where = (str(parts.hostname), int(parts.port or 80))
        self.limit, self.result = limit, result

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection(*self._where)

    async def answered(self, case: Case) -> list[int]:
        """Send it; it is answered as it must be, or else the connection closed, in time and not by a 5xx.

        Returns the statuses that came: none, if it was closed.
        """
        self.result.times += 1
        said = b""
        try:
            async with asyncio.timeout(self.limit):
                reader, writer = await self.connect()
                try:
                    said = await _talk(reader, writer, case.content)
                finally:
                    writer.close()
        except TimeoutError:
            self.result.broken.append(f"{case.name}: no answer within {self.limit:g} s")
        except OSError as error:
            self.result.broken.append(f"{case.name}: no connection: {error}")
        statuses = self.statuses(case.name, said)
        if case.statuses and not (case.statuses.issuperset(statuses) and _PROBLEM.search(said)):
            self.result.broken.append(f"{case.name}: answered {statuses}, no problem of {sorted(case.statuses)}")
        return statuses

    def statuses(self, name: str, said: bytes) -> list[int]:
        """Those of the answers; the 5xx among them are noted."""
        statuses = [int(status) for status in _STATUS.findall(said)]
        self.result.broken += [f"{name}: HTTP {status}" for status in statuses if status >= 500]
        return statuses


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> bytes:
    """What is answered: of one answer the head is enough."""
    try:
        writer.write(content)
        if b"\r\n\r\n" in content and b"HTTP/1" in content[:70_000]:
            return await reader.readuntil(b"\r\n\r\n")
        writer.write_eof()
        return await reader.read()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        return await reader.read(1000)
    except OSError:  # it closed the connection before it had read everything
        return b""
