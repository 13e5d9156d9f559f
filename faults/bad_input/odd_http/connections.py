"""Connections used as no client does: full of requests that nobody waits for, or opened and left."""

import asyncio
import resource

from faults.bad_input.odd_http.request import Case, request, with_token
from faults.bad_input.odd_http.sender import Sender

_CONNECTIONS = 10_000
_PIPELINED = 500
_YARDS = "/api/v1/yards"


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


async def left_open(sender: Sender, token: str, wanted: int = _CONNECTIONS) -> None:
    """Connections that are opened and left, as many as we may open; a request beside them is answered by 200."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The API may hold as many files as we: half of them, so that those that it keeps for itself are left to it.
    many = min(wanted, hard // 2 - 500)
    left: list[asyncio.StreamWriter] = []
    try:
        await _open(sender, many, left)
        sender.result.times += len(left)
        beside = Case(f"a request beside {len(left)} open connections", request("GET", _YARDS, with_token(token)))
        statuses = await sender.answered(beside)
        if statuses != [200]:
            sender.result.broken.append(f"{beside.name}: answered {statuses}")
        why = f", of {wanted}: for more too few files may be open here" if many < wanted else ""
        sender.result.remarks.append(f"{len(left)} connections were opened and left{why}")
    finally:
        for writer in left:
            writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _open(sender: Sender, many: int, left: list[asyncio.StreamWriter]) -> None:
    """Add so many to those that are left, unless one is refused."""
    within = 6 * sender.limit
    try:
        async with asyncio.timeout(within):
            while len(left) < many:
                opened = await asyncio.gather(
                    *(sender.connect() for _ in range(min(200, many - len(left)))), return_exceptions=True
                )
                left += [each[1] for each in opened if not isinstance(each, BaseException)]
                refused = next((each for each in opened if isinstance(each, BaseException)), None)
                if refused is not None:
                    sender.result.broken.append(f"only {len(left)} of {many} connections could be opened: {refused!r}")
                    return
    except TimeoutError:
        sender.result.broken.append(f"only {len(left)} of {many} connections opened within {within:g} s")
