"""Connections used as no client does: full of requests that nobody waits for, or opened and left."""

import asyncio
import resource

from faults.bad_input.odd_http.request import Case, request, with_token
from faults.bad_input.odd_http.sender import Sender

_CONNECTIONS = 10_000
_PIPELINED = 500


async def pipelined(sender: Sender, token: str) -> None:
    """Many requests on one connection, before any is answered: each is, in order."""
    one = request("GET", "/api/v1/yards/1", {"Authorization": f"Bearer {token}"})
    name = f"{_PIPELINED + 1} requests in a row"
    sender.result.times += 1
    reader, writer = await sender.connect()
    try:
        async with asyncio.timeout(3 * sender.limit):
            writer.write(one * _PIPELINED)
            writer.write(request("GET", "/health/live", {"Connection": "close"}))
            said = await reader.read()
        statuses = sender.statuses(name, said)
        if statuses != [200] * (_PIPELINED + 1):
            sender.result.broken.append(f"{name} got {len(statuses)} answers: {set(statuses)}")
    except (TimeoutError, OSError) as error:
        sender.result.broken.append(f"{name}: {type(error).__name__}")
    finally:
        writer.close()


async def left_open(sender: Sender, token: str) -> None:
    """Connections that are opened and left, as many as we may open; a request beside them is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many, within = min(_CONNECTIONS, hard // 2 - 500), 6 * sender.limit
    left: list[asyncio.StreamWriter] = []
    try:
        async with asyncio.timeout(within):
            while len(left) < many:
                opened = await asyncio.gather(
                    *(sender.connect() for _ in range(min(200, many - len(left)))), return_exceptions=True
                )
                left += [each[1] for each in opened if not isinstance(each, BaseException)]
                if any(isinstance(each, BaseException) for each in opened):
                    break
        sender.result.times += len(left)
        beside = request("GET", "/api/v1/yards", with_token(token))
        await sender.answered(Case(f"a request beside {len(left)} open connections", beside))
        sender.result.remarks.append(f"{len(left)} connections were opened and left")
    except TimeoutError:
        sender.result.broken.append(f"{len(left)} connections opened, and no more within {within:g} s")
    finally:
        for writer in left:
            writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
