"""Nobody speaks for another: each word of an agent on another's assignment was refused."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import aio_pika

from fleet.dead_letters import REASON_HEADER, ROUTING_KEY_HEADER
from fleet.topology import DEAD_LETTER_QUEUE

_REFUSALS = ("not_its_assignment", "unknown_assignment")
_WORDS = 2
"""With so many words each claim is made."""


def unheard(lines: Iterable[dict[str, Any]], refusals: Mapping[str, int]) -> Iterator[str]:
    """Claims that were not refused; `lines`: agents' journals, `refusals`: by agent."""
    claimed: Counter[str] = Counter()
    for line in lines:
        if line["what"] == "claims":
            claimed[line["agent"]] += _WORDS * len(line["assignments"])
    for agent, times in claimed.items():
        if refusals.get(agent, 0) < times:
            yield (
                f"agent {agent} claimed others' assignments {times} times,"
                f" and {refusals.get(agent, 0)} claims were refused"
            )


async def refused(amqp_url: str) -> Counter[str]:
    """How many reports of each agent were refused as another's; takes all dead letters out of their queue."""
    found: Counter[str] = Counter()
    connection = await aio_pika.connect(amqp_url, timeout=10)
    async with connection:
        queue = await (await connection.channel()).get_queue(DEAD_LETTER_QUEUE)
        while (letter := await queue.get(no_ack=True, fail=False)) is not None:
            if letter.headers.get(REASON_HEADER) in _REFUSALS:
                found[str(letter.headers[ROUTING_KEY_HEADER]).split(".")[1]] += 1
    return found
