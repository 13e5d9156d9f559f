"""What reports on commands say beside the commands' ends: that something happened, and the instrument's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from missions.statuses import AgentClass
from store import instrument_states, thread_events
from store.connection import Connection
from store.instrument_states import Told
from store.thread_events import Raised
from store.wakeups import Wakeup


@dataclass
class CommandReports:
    """Of one batch of reports. `classes`: of the agents that take commands, by id; no other agent costs anything."""

    classes: Mapping[int, str]
    _raised: list[Raised] = field(default_factory=list)
    _states: dict[int, Told] = field(default_factory=dict)

    def done(self, agent_id: int, command: str) -> None:
        """A command has succeeded: that is an event of its agent, by whomever it was sent (mission files, C.4)."""
        self._raised.append(Raised(agent_id, (command,)))

    def told(self, agent_id: int, result: Any, said_at: datetime) -> None:
        """An agent said something of a command; a platform's state is not its own word."""
        state = instrument_states.told(result, "state", said_at)
        if state is not None and self.classes[agent_id] == AgentClass.INSTRUMENT:
            self._states[agent_id] = state

    async def write(self, connection: Connection) -> list[Wakeup]:
        """Write it; the agents are locked. Nothing is asked of the database where nothing was said."""
        await instrument_states.reported(connection, self._states)
        return await thread_events.raise_all(connection, self._raised)
