"""The lossy intake: poses, sensors and descriptions, only the last word of each agent, a few times a second."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from fleet.agent_bodies import Profile, UpdateBody, read_body, refuse_unstorable
from fleet.agent_messages import AgentMessage, check_sender, read
from fleet.bus import UnknownOutcome
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.downlink import Downlink
from fleet.halving import halve
from fleet.moved_lines import MovedLines
from fleet.rate_limits import Excess, RateLimits, Verdicts
from fleet.wire import BadMessage, Reason
from missions.errors import PartUnavailable
from missions.event_payloads.agent import AgentRateLimited
from missions.events import utc_now
from missions.statuses import AgentClass
from settings import Settings
from store import account_rights, agents, events, followers, instrument_states, message_counts
from store.agent_service import rate_limited
from store.agents import AgentAddress, AgentIdentity
from store.database import Database
from store.instrument_states import Told
from store.notifications import notify

log = logging.getLogger(__name__)

FLUSH_INTERVAL = 0.2
"""Seconds over which the messages of an agent are merged into one."""
BATCH_SIZE = 4000

UPDATE = "agent_update"
INSTRUMENT_STATE = "instrument_state"
"""Where among its sensors an instrument says its state."""
TYPES = ("agent_sensors", UPDATE)
_KEPT = 20
"""A flood of bad sensor messages is counted in full, but only so many of each batch are kept."""


class _Excess:
    """What of a batch is dropped since its agents say too much; but the last word of each is kept."""

    def __init__(self, verdicts: Verdicts, messages: Sequence[AgentMessage]) -> None:
        self._verdicts = verdicts
        self._last = {(message.uuid, message.inner.type): message for message in messages}
        self.dropped: Counter[str] = Counter()
        self.uuids: set[str] = set()
        self.begun: list[tuple[AgentIdentity, Excess]] = []

    def holds(self, agent: AgentIdentity, message: AgentMessage) -> bool:
        """Whether this message is to be dropped."""
        limit, begun = self._verdicts.of(
            message.raw, agent.uuid, is_update=message.inner.type == UPDATE, at=message.said_at
        )
        if limit is None:
            return False
        self.uuids.add(agent.uuid)
        if begun is not None:
            self.begun.append((agent, begun))
        if self._last[agent.uuid, message.inner.type] is message:
            return False
        self.dropped[limit] += 1
        return True


class SensorIntake:
    """Handles the batches of the lossy queue."""

    def __init__(
        self, settings: Settings, database: Database, dead_letters: DeadLetters, downlink: Downlink, lines: MovedLines
    ) -> None:
        self._downlink = downlink
        self._verdicts = Verdicts(RateLimits(settings.message_rate_limit, settings.update_rate_limit))
        self._database = database
        self._dead_letters = dead_letters
        self._lines = lines

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Merge a batch per agent and write it; raises PartUnavailable or UnknownOutcome to be tried again."""
        letters: list[DeadLetter] = []
        readable: list[AgentMessage] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                readable.append(read(raw))
        async with self._database.transaction() as connection:
            known = await agents.identities(connection, {message.uuid for message in readable})
        self._verdicts.batch(messages)
        excess = _Excess(self._verdicts, readable)
        named_followers: dict[str, list[str]] = {}
        merged: dict[str, dict[str, Any]] = {}
        last: dict[str, AgentMessage] = {}
        states: dict[int, Told] = {}
        for message in readable:
            with dead_lettered(message.raw, letters):
                identity = known.get(message.uuid)
                if identity is None:
                    raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {message.uuid!r} is not known")
                check_sender(message, identity)
                if message.inner.type not in TYPES:
                    raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is none of {', '.join(TYPES)}")
                if excess.holds(identity, message):
                    continue
                fields = read_body(Profile, message.inner.body).fields()
                # Before it is merged with what else its agent said.
                refuse_unstorable(message.inner, fields)
                merged.setdefault(message.uuid, {}).update(fields)
                # Of each message: the sensors of the next one may not name it.
                state = instrument_states.told(fields.get("sensors"), INSTRUMENT_STATE, message.said_at)
                if state is not None and identity.agent_class == AgentClass.INSTRUMENT:
                    states[identity.id] = state
                last[message.uuid] = message
                named = read_body(UpdateBody, message.inner.body).followers if message.inner.type == UPDATE else None
                if named is not None:
                    named_followers[message.uuid] = named

        async def write(uuids: Sequence[str]) -> None:
            await self._write({known[uuid].id: (uuid, merged[uuid]) for uuid in uuids}, states)

        async def follow(uuids: Sequence[str]) -> None:
            await self._follow({known[uuid].id: named_followers[uuid] for uuid in uuids})

        def refuse(uuid: str, error: Exception) -> None:
            text = str(error)
            letters.append(DeadLetter(last[uuid].raw, Reason.REFUSED_BY_DATABASE, text))

        await halve(list(merged), write, refuse)
        await halve(list(named_followers), follow, refuse)
        await self._lines.refresh()
        await self._dead_letters.put(letters, kept=_KEPT)
        if excess.uuids:
            await self._tell(excess)

    async def _tell(self, excess: "_Excess") -> None:
        """Note what was dropped, and ask agents that begin to say too much for less."""
        async with self._database.transaction() as connection:
            begun = [
                AgentRateLimited(
                    agent_id=agent.id,
                    agent_uuid=told.uuid,
                    limit_of=told.limit_of,
                    rate=round(told.rate, 1),
                    limit=told.limit,
                )
                for agent, told in excess.begun
            ]
            await rate_limited(connection, sorted(excess.uuids), begun)
            await message_counts.count(connection, message_counts.DROPPED, excess.dropped)
        for agent, told in excess.begun:
            try:
                await self._downlink.data_control(
                    AgentAddress(agent.id, agent.uuid, agent.protocol), told.limit_of, rate=told.rate, limit=told.limit
                )
            except (PartUnavailable, UnknownOutcome) as error:
                log.warning("agent %s was not asked to say less: %s", told.uuid, error)

    async def _follow(self, named: Mapping[int, Sequence[str]]) -> None:
        """Take whom leaders name, by their ids. Most only repeat themselves: one look for all of them."""
        if not named:
            return
        async with self._database.statement() as connection:
            found = await followers.look(connection, named)
        changed = [leader_id for leader_id in sorted(found) if found[leader_id].changed]
        for leader_id in changed:
            async with self._database.transaction() as connection:
                await followers.follow(connection, leader_id, named[leader_id])
        if changed:
            await notify(self._database, account_rights.CHANNEL)
        ignored = sum((one.ignored for one in found.values()), Counter())
        if ignored:
            async with self._database.transaction() as connection:
                await message_counts.count(connection, message_counts.IGNORED_FOLLOWER, ignored)

    async def _write(self, said: dict[int, tuple[str, dict[str, Any]]], states: Mapping[int, Told]) -> None:
        profiles = {agent_id: profile for agent_id, (_, profile) in said.items()}
        async with self._database.transaction() as connection:
            changed = await agents.changed_fields(connection, profiles)
            moved = await agents.write_profiles(connection, profiles, at=utc_now())
            await instrument_states.sensed(connection, {one: states[one] for one in said if one in states})
            await events.append(
                connection,
                [agents.updated(agent_id, said[agent_id][0], fields) for agent_id, fields in changed.items()],
            )
        self._lines.add(moved)
