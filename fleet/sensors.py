"""The lossy intake: poses, sensors and descriptions, only the last word of each agent, a few times a second."""

from collections.abc import Sequence
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from fleet.agent_messages import AgentMessage, check_sender, read
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.halving import halve
from fleet.wire import BadMessage, Profile, Reason, read_body
from missions.events import utc_now
from store import agents, events
from store.database import Database

FLUSH_INTERVAL = 0.2
"""Seconds over which the messages of an agent are merged into one."""
BATCH_SIZE = 4000

TYPES = ("agent_sensors", "agent_update")
_KEPT = 20
"""A flood of bad sensor messages is counted in full, but only so many of each batch are kept."""


class SensorIntake:
    """Handles the batches of the lossy queue."""

    def __init__(self, database: Database, dead_letters: DeadLetters) -> None:
        self._database = database
        self._dead_letters = dead_letters

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Merge a batch per agent and write it; raises PartUnavailable or UnknownOutcome to be tried again."""
        letters: list[DeadLetter] = []
        readable: list[AgentMessage] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                readable.append(read(raw))
        async with self._database.transaction() as connection:
            known = await agents.identities(connection, {message.uuid for message in readable})
        merged: dict[str, dict[str, Any]] = {}
        last: dict[str, AgentMessage] = {}
        for message in readable:
            with dead_lettered(message.raw, letters):
                identity = known.get(message.uuid)
                if identity is None:
                    raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {message.uuid!r} is not known")
                check_sender(message, identity)
                if message.inner.type not in TYPES:
                    raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is none of {', '.join(TYPES)}")
                merged.setdefault(message.uuid, {}).update(read_body(Profile, message.inner.body).fields())
                last[message.uuid] = message

        async def write(uuids: Sequence[str]) -> None:
            await self._write({known[uuid].id: (uuid, merged[uuid]) for uuid in uuids})

        await halve(
            list(merged),
            write,
            lambda uuid, error: letters.append(
                DeadLetter(last[uuid].raw, Reason.REFUSED_BY_DATABASE, str(getattr(error, "orig", None) or error))
            ),
        )
        await self._dead_letters.put(letters, kept=_KEPT)

    async def _write(self, said: dict[int, tuple[str, dict[str, Any]]]) -> None:
        profiles = {agent_id: profile for agent_id, (_, profile) in said.items()}
        async with self._database.transaction() as connection:
            changed = await agents.changed_fields(connection, profiles)
            await agents.write_profiles(connection, profiles, at=utc_now())
            await events.append(
                connection,
                [agents.updated(agent_id, said[agent_id][0], fields) for agent_id, fields in changed.items()],
            )
