"""The ordered intake: check-ins, check-outs, states, events and mission requests, in order per agent.

The states of a batch are one transaction. Once it is committed its wake-ups are sent, freed agents are granted to those
who wait, and only then is it acknowledged: if we die in between, the broker delivers it again and repeats change
nothing.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage

from fleet.agent_bodies import InstantActionBody, StateBody, read_body, refuse_unstorable
from fleet.agent_events import raised
from fleet.agent_messages import AgentMessage, check_sender, read
from fleet.checkin import CheckIns, Taken
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.downlink import Downlink
from fleet.halving import halve
from fleet.mission_requests import MissionRequests
from fleet.moved_lines import MovedLines
from fleet.ready_board import ReadyBoard
from fleet.topology import Uplink
from fleet.wire import BadMessage, Reason
from store import agent_reports, agents, thread_events
from store.agent_reports import AssignmentReport, StateReport
from store.agents import AgentIdentity
from store.database import Database
from store.instant_actions import Acknowledgement
from store.odd_json import storable
from store.ready_agents import Stranded
from store.thread_events import Raised
from store.wakeups import Waker

STATE = "agent_state"
_CHECK_INS_AT_ONCE = 8
_RELEASE_AGAIN = 2.0
"""Seconds between two repeated releases of an agent: it may say `ready` many times a second."""


@dataclass
class _Batch:
    """What is still to be written of a batch, what was refused, and which check-ins are to be answered."""

    known: dict[str, AgentIdentity]
    """The agents that are known, by uuid."""
    letters: list[DeadLetter] = field(default_factory=list)
    states: list[tuple[AgentMessage, StateReport]] = field(default_factory=list)
    events: list[tuple[AgentMessage, Raised]] = field(default_factory=list)
    check_ins: list[tuple[AgentMessage, AgentIdentity | None]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    stranded: dict[str, Stranded] = field(default_factory=dict)
    """By the agent's uuid, while the last that it said is `ready`."""


class OrderedIntake:
    """Handles the batches of the ordered queue."""

    def __init__(
        self,
        database: Database,
        waker: Waker,
        check_ins: CheckIns,
        mission_requests: MissionRequests,
        dead_letters: DeadLetters,
        downlink: Downlink,
        lines: MovedLines,
        ready_board: ReadyBoard,
    ) -> None:
        self._database = database
        self._waker = waker
        self._check_ins = check_ins
        self._mission_requests = mission_requests
        self._dead_letters = dead_letters
        self._downlink = downlink
        self._lines = lines
        self._ready_board = ready_board
        self._released_again: dict[Stranded, float] = {}
        """When, on this process's clock; those of the last seconds."""

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Take a batch; raises PartUnavailable or UnknownOutcome if it is to be tried again."""
        self._ready_board.batch_taken()
        letters: list[DeadLetter] = []
        readable = _read(messages, letters)
        async with self._database.statement() as connection:
            known = await agents.identities(connection, {message.uuid for message in readable})
        batch = _Batch(known, letters)
        for message in readable:
            await self._take(message, batch)
        await self._write_check_ins(batch)
        await self._write_events(batch)
        await self._write_states(batch)
        await self._dead_letters.put(batch.letters)
        await self._release(list(batch.stranded.values()))
        # Committed, but not acknowledged: a grant that is missed here would be missed until the agent changes again.
        await self._lines.refresh()
        for taken in batch.taken:
            taken.answer()

    async def _take(self, message: AgentMessage, batch: _Batch) -> None:
        checks_in = message.word == Uplink.CHECK_IN
        # What the same agent said before comes first; what others said does not matter.
        if (checks_in or message.word == Uplink.EVENT) and any(e.uuid == message.uuid for e, _ in batch.states):
            await self._write_states(batch)
        if message.word == Uplink.STATE and any(e.uuid == message.uuid for e, _ in batch.events):
            await self._write_events(batch)
        if any(earlier.uuid == message.uuid for earlier, _ in batch.check_ins):
            await self._write_check_ins(batch)
        identity = batch.known.get(message.uuid)
        with dead_lettered(message.raw, batch.letters):
            if checks_in:
                await self._check_sender(message, identity)
                batch.check_ins.append((message, identity))
                return
            if message.word == Uplink.MISSION_REQUEST:
                # What was said before decides who stands in its yard.
                await self._write_check_ins(batch)
                await self._write_states(batch)
                await self._mission_requests.take(message)
                return
            check_sender(message, identity)
            if message.word == Uplink.EVENT:
                batch.events.append((message, raised(message, identity)))
                return
            if message.word != Uplink.STATE:
                raise BadMessage(Reason.NOT_SUPPORTED, f"nothing takes {message.word!r} messages")
            batch.states.append((message, _state_report(message)))

    async def _check_sender(self, message: AgentMessage, identity: AgentIdentity | None) -> None:
        """Check who checks in; whoever may not is told so."""
        try:
            check_sender(message, identity)
        except BadMessage as error:
            await self._check_ins.refuse(message, error.reason, error.text)
            raise

    async def _write_check_ins(self, batch: _Batch) -> None:
        """Write the check-ins of different agents side by side."""
        check_ins, batch.check_ins = batch.check_ins, []
        limit = asyncio.Semaphore(_CHECK_INS_AT_ONCE)

        async def write(rows: Sequence[tuple[AgentMessage, AgentIdentity | None]]) -> None:
            for message, identity in rows:
                async with limit:
                    try:
                        taken = await self._check_ins.take(message, identity)
                    except BadMessage as error:
                        batch.letters.append(DeadLetter(message.raw, error.reason, error.text))
                        continue
                if taken is not None:
                    batch.taken.append(taken)
                    self._lines.add(taken.moved)
                    await self._waker.send(taken.wakeups)

        def refuse(row: tuple[AgentMessage, AgentIdentity | None], error: Exception) -> None:
            batch.letters.append(_refused_by_database(row[0], error))

        if not check_ins:
            return
        await asyncio.gather(*(halve([check_in], write, refuse) for check_in in check_ins))
        # What they say next is checked against what they are now.
        async with self._database.statement() as connection:
            batch.known |= await agents.identities(connection, {message.uuid for message, _ in check_ins})

    async def _write_events(self, batch: _Batch) -> None:
        happened, batch.events = batch.events, []
        if happened:
            await halve(
                happened,
                self._raise,
                lambda row, error: batch.letters.append(_refused_by_database(row[0], error)),
            )

    async def _raise(self, rows: Sequence[tuple[AgentMessage, Raised]]) -> None:
        async with self._database.transaction() as connection:
            wakeups = await thread_events.raise_all(connection, [one for _, one in rows])
        await self._waker.send(wakeups)

    async def _write_states(self, batch: _Batch) -> None:
        states, batch.states = batch.states, []
        if states:
            await halve(
                states,
                lambda rows: self._apply(rows, batch),
                lambda row, error: batch.letters.append(_refused_by_database(row[0], error)),
            )

    async def _apply(self, rows: Sequence[tuple[AgentMessage, StateReport]], batch: _Batch) -> None:
        ids = {uuid: identity.id for uuid, identity in batch.known.items()}
        applied = await agent_reports.apply(self._database, [report for _, report in rows], ids)
        for _, report in rows:
            batch.stranded.pop(report.uuid, None)
        batch.stranded |= {each.agent.uuid: each for each in applied.stranded}
        await self._waker.send(applied.wakeups)
        for work_process_id, attempt in applied.ready:
            self._ready_board.tell(work_process_id, attempt)
        self._lines.add(applied.changed_agent_ids)
        batch.letters += [
            DeadLetter(rows[refused.index][0].raw, Reason(refused.reason), refused.text) for refused in applied.rejected
        ]

    async def _release(self, stranded: Sequence[Stranded]) -> None:
        """Release agents once more whose release got lost.

        Before anything that they say later is read: until then nobody reserves them, so it overtakes no reserve.
        """
        now = time.monotonic()
        self._released_again = {each: at for each, at in self._released_again.items() if at > now - _RELEASE_AGAIN}
        due = [each for each in stranded if each not in self._released_again]
        await asyncio.gather(
            *(self._downlink.release(each.agent, work_process_id=each.work_process_id) for each in due)
        )
        self._released_again |= dict.fromkeys(due, now)


def _read(messages: Sequence[AbstractIncomingMessage], letters: list[DeadLetter]) -> list[AgentMessage]:
    readable = []
    for message in messages:
        with dead_lettered(message, letters):
            readable.append(read(message))
    return readable


def _state_report(message: AgentMessage) -> StateReport:
    if message.inner.type != STATE:
        raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is not {STATE}")
    body = read_body(StateBody, message.inner.body)
    refuse_unstorable(message.inner, body.resources)
    said, done = body.assignment, body.instant_action
    return StateReport(
        uuid=message.uuid,
        status=body.status,
        received_at=message.received_at,
        said_at=message.said_at,
        resources=body.resources,
        work_process_id=body.work_process_id,
        assignment=None
        if said is None or said.id is None
        else AssignmentReport(said.id, (said.status or "").lower(), said.result),
        instant_action=None if done is None else _acknowledgement(done),
        redelivered=bool(message.raw.redelivered),
        timed=message.raw.timestamp is not None,
    )


def _acknowledgement(done: InstantActionBody) -> Acknowledgement:
    said = storable([done.status.lower(), done.result], f"what was said of instant action {done.id}")
    status, result = ("", None) if said is None else json.loads(said)
    return Acknowledgement(done.id, status, result)


def _refused_by_database(message: AgentMessage, error: Exception) -> DeadLetter:
    return DeadLetter(message.raw, Reason.REFUSED_BY_DATABASE, str(error))
