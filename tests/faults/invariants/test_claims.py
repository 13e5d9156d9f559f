"""A claim of another's assignment that was not refused is found, agent by agent."""

import aio_pika

from cli.stack.addresses import Addresses
from faults.invariants.claims import refused, unheard
from fleet.dead_letters import REASON_HEADER, ROUTING_KEY_HEADER
from fleet.topology import DEAD_LETTER_ARGUMENTS, DEAD_LETTER_QUEUE
from tests.faults.lines import journal


def test_a_claim_that_was_not_refused_is_found_though_others_were() -> None:
    lines = journal({"what": "claims", "assignments": [1, 2]}, {"what": "claims", "assignments": [1], "agent": "b"})
    assert list(unheard(lines, {"a": 3, "b": 3})) == [
        "agent a claimed others' assignments 4 times, and 3 claims were refused"
    ]
    assert list(unheard(lines, {"a": 4, "b": 2})) == []


async def test_refusals_are_counted_by_agent(services: Addresses) -> None:
    connection = await aio_pika.connect(services.amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(DEAD_LETTER_QUEUE, durable=True, arguments=DEAD_LETTER_ARGUMENTS)
        for agent, reason in [("a", "not_its_assignment"), ("a", "unknown_assignment"), ("b", "not_json")]:
            headers = {REASON_HEADER: reason, ROUTING_KEY_HEADER: f"agent.{agent}.state"}
            await channel.default_exchange.publish(aio_pika.Message(b"", headers=headers), DEAD_LETTER_QUEUE)
    assert await refused(services.amqp_url) == {"a": 2}
    assert await refused(services.amqp_url) == {}
