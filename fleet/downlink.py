"""What missions tell agents: reserve, assignment, cancel, release; each signed, confirmed and `mandatory`.

A confirm alone is weak evidence (a queue of an agent that is gone confirms too), a return is strong: nobody got it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from fleet import wire
from fleet.bus import Bus, UnknownOutcome
from fleet.signing import Signer
from fleet.topology import Downlink as Word
from fleet.topology import downlink_exchange, routing_key, stream_exchange
from fleet.wire import AssignmentMessage
from missions.errors import PartUnavailable
from settings import Settings
from store.agents import AgentAddress

__all__ = ["AgentAddress", "AssignmentMessage", "Delivery", "Downlink", "UnknownOutcome"]


_MOST_TAPS = 1000


class Delivery(StrEnum):
    """What the broker did with a message. NOT_LISTENING: it came back, so it was surely not delivered."""

    DELIVERED = "delivered"
    NOT_LISTENING = "not_listening"


class Downlink:
    """Messages to agents.

    Each call raises PartUnavailable if the message was surely not sent, and UnknownOutcome if the connection was lost
    before the broker's confirm.
    """

    def __init__(self, settings: Settings, bus: Bus, signer: Signer) -> None:
        self._settings = settings
        self._bus = bus
        self._signer = signer
        self._taps: deque[tuple[str, bytes]] = deque()
        self._tapping: asyncio.Task[None] | None = None

    async def reserve(
        self, agent: AgentAddress, *, work_process_id: int, operation_types_required: Sequence[str] = ()
    ) -> Delivery:
        """Ask the agent to reserve itself; it answers with `ready` and the mission's id."""
        message = wire.reserve(agent.uuid, work_process_id, operation_types_required)
        return await self._send(agent, Word.INSTANT_ACTIONS, message)

    async def release(self, agent: AgentAddress, *, work_process_id: int) -> Delivery:
        """Tell the agent that its mission is over; it answers with `free`."""
        return await self._send(agent, Word.INSTANT_ACTIONS, wire.release(agent.uuid, work_process_id))

    async def assign(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        """Send an assignment, then its bare data as an `order`, which only VDA 5050-like agents listen to."""
        delivery = await self._send(agent, Word.ASSIGNMENT, wire.assignment(agent.uuid, message))
        if delivery is Delivery.DELIVERED:
            await self._copy_as_order(agent, message.data)
        return delivery

    async def cancel(self, agent: AgentAddress, message: AssignmentMessage) -> Delivery:
        """Tell the agent to stop an assignment; its confirmation comes as a report."""
        return await self._send(agent, Word.INSTANT_ACTIONS, wire.cancel(agent.uuid, message))

    async def custom_action(self, agent: AgentAddress, command: str, *, action_id: int) -> Delivery:
        """Send a command outside of assignments; agents that can name its id when they have carried it out."""
        message = wire.custom_action(agent.uuid, command, action_id)
        return await self._send(agent, Word.INSTANT_ACTIONS, message)

    async def stream(self, agent: AgentAddress, text: str) -> Delivery:
        """Send a passing message, which no broker keeps over its restart; SDK 0.8.1 does not listen to these."""
        key, body = routing_key(agent.uuid, Word.STREAM), wire.envelope(wire.stream(agent.uuid, text), self._signer)
        taken = await self._bus.publish(stream_exchange(self._settings, agent), key, body, persistent=False)
        return Delivery.DELIVERED if taken else Delivery.NOT_LISTENING

    async def data_control(self, agent: AgentAddress, action: str, *, rate: float, limit: float) -> Delivery:
        """Ask the agent to say less; rates in messages per second."""
        message = wire.data_control(agent.uuid, action, rate=rate, limit=limit)
        return await self._send(agent, Word.INSTANT_ACTIONS, message)

    async def _send(self, agent: AgentAddress, word: Word, message: dict[str, Any]) -> Delivery:
        key, body = routing_key(agent.uuid, word), wire.envelope(message, self._signer)
        taken = await self._bus.publish(downlink_exchange(self._settings, agent), key, body)
        self._tap(key, body)
        return Delivery.DELIVERED if taken else Delivery.NOT_LISTENING

    def _tap(self, key: str, body: bytes) -> None:
        """Publish a copy for who looks on. Apart, since a queue bound beside the agent's would confirm in its stead.

        Beside the flow, and lost where they become many: looking on must not slow what is looked at.
        """
        if self._settings.debug_exchange and len(self._taps) < _MOST_TAPS:
            self._taps.append((key, body))
            if self._tapping is None or self._tapping.done():
                self._tapping = asyncio.create_task(self._send_taps(), name="debug taps")

    async def _send_taps(self) -> None:
        while self._taps:
            key, body = self._taps.popleft()
            with contextlib.suppress(PartUnavailable):
                await self._bus.publish_loosely(self._settings.debug_exchange, key, body)

    async def _copy_as_order(self, agent: AgentAddress, data: Any) -> None:
        # The assignment is out and confirmed: trouble with its copy must not look like trouble with the assignment.
        with contextlib.suppress(UnknownOutcome, PartUnavailable):
            await self._bus.publish(
                downlink_exchange(self._settings, agent),
                routing_key(agent.uuid, Word.ORDER),
                wire.envelope(data, self._signer),
                mandatory=False,
            )
