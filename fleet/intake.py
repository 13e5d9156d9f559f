"""The ordered intake: check-ins, check-outs and states, in order per agent, a batch in one transaction.

After a batch is committed its wake-ups are sent, freed agents are granted to those who wait, and only then is it
acknowledged: if we die in between, the broker delivers it again and repeats change nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage

from fleet.agent_messages import AgentMessage, check_sender, read
from fleet.checkin import CheckIns
from fleet.dead_letters import DeadLetter, DeadLetters
from fleet.halving import halve
from fleet.ready_board import ReadyBoard
from fleet.topology import Uplink
from fleet.wire import BadMessage, Reason, StateBody, read_body
from store import agent_reports, agents
from store.agent_reports import AssignmentReport, StateReport
from store.agents import AgentIdentity
from store.database import Database
from store.wakeups import Waker, Wakeup

RefreshLines = Callable[[Database, Collection[int]], Awaitable[list[Wakeup]]]

STATE = "agent_state"
_SENDS_AT_ONCE = 20
_CHECK_INS_AT_ONCE = 8


@dataclass
class _Batch:
    """What is still to be written of a batch, and what was refused."""

    letters: list[DeadLetter] = field(default_factory=list)
    states: list[tuple[AgentMessage, StateReport]] = field(default_factory=list)
    check_ins: list[tuple[AgentMessage, AgentIdentity | None]] = field(default_factory=list)

    def refuse(self, message: AbstractIncomingMessage, error: BadMessage) -> None:
        self.letters.append(DeadLetter.of(message, error))


class OrderedIntake:
    """Handles the batches of the ordered queue."""

    def __init__(
        self,
        database: Database,
        waker: Waker,
        check_ins: CheckIns,
        dead_letters: DeadLetters,
        refresh_lines: RefreshLines,
        ready_board: ReadyBoard,
    ) -> None:
        self._database = database
        self._waker = waker
        self._check_ins = check_ins
        self._dead_letters = dead_letters
        self._refresh_lines = refresh_lines
        self._ready_board = ready_board
        self._sends: set[asyncio.Task[None]] = set()
        # Agents whose lines are still to be refreshed: a batch that is tried again finds only repeats.
        self._changed: set[int] = set()

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Take a batch; raises PartUnavailable or UnknownOutcome if it is to be tried again."""
        self._ready_board.batch_taken()
        batch = _Batch()
        readable = _read(messages, batch)
        async with self._database.statement() as connection:
            known = await agents.identities(connection, {message.uuid for message in readable})
        for message in readable:
            await self._take(message, known.get(message.uuid), batch)
        await self._write_check_ins(batch)
        await self._write_states(batch)
        await self._dead_letters.put(batch.letters)
        # Committed, but not acknowledged: a grant that is missed here would be missed until the agent changes again.
        self._wake(await self._refresh_lines(self._database, frozenset(self._changed)))
        self._changed.clear()

    async def finish(self) -> None:
        """Wait for the wake-ups that are on their way."""
        await asyncio.gather(*self._sends, return_exceptions=True)

    async def _take(self, message: AgentMessage, identity: AgentIdentity | None, batch: _Batch) -> None:
        try:
            if message.word == Uplink.CHECK_IN:
                await self._take_check_in(message, identity, batch)
                return
            check_sender(message, identity)
            if message.word != Uplink.STATE:
                raise BadMessage(Reason.NOT_SUPPORTED, f"nothing takes {message.word!r} messages")
            report = _state_report(message)
        except BadMessage as error:
            batch.refuse(message.raw, error)
            return
        if any(earlier.uuid == message.uuid for earlier, _ in batch.check_ins):
            await self._write_check_ins(batch)
        batch.states.append((message, report))

    async def _take_check_in(self, message: AgentMessage, identity: AgentIdentity | None, batch: _Batch) -> None:
        try:
            check_sender(message, identity)
        except BadMessage as error:
            await self._check_ins.refuse(message, error.reason, error.text)
            raise
        # What the same agent said before comes first; what others said does not matter.
        if any(earlier.uuid == message.uuid for earlier, _ in batch.states):
            await self._write_states(batch)
        if any(earlier.uuid == message.uuid for earlier, _ in batch.check_ins):
            await self._write_check_ins(batch)
        batch.check_ins.append((message, identity))

    async def _write_check_ins(self, batch: _Batch) -> None:
        """Write the check-ins of different agents side by side."""
        check_ins, batch.check_ins = batch.check_ins, []
        limit = asyncio.Semaphore(_CHECK_INS_AT_ONCE)

        async def write(rows: Sequence[tuple[AgentMessage, AgentIdentity | None]]) -> None:
            for message, identity in rows:
                try:
                    async with limit:
                        agent_id = await self._check_ins.take(message, identity)
                except BadMessage as error:
                    batch.refuse(message.raw, error)
                else:
                    self._changed |= set() if agent_id is None else {agent_id}

        def refuse(row: tuple[AgentMessage, AgentIdentity | None], error: Exception) -> None:
            batch.letters.append(_refused_by_database(row[0], error))

        await asyncio.gather(*(halve([check_in], write, refuse) for check_in in check_ins))

    async def _write_states(self, batch: _Batch) -> None:
        states, batch.states = batch.states, []
        if states:
            await halve(
                states,
                lambda rows: self._apply(rows, batch),
                lambda row, error: batch.letters.append(_refused_by_database(row[0], error)),
            )

    async def _apply(self, rows: Sequence[tuple[AgentMessage, StateReport]], batch: _Batch) -> None:
        applied = await agent_reports.apply(self._database, [report for _, report in rows])
        self._wake(applied.wakeups)
        for work_process_id, attempt in applied.ready:
            self._ready_board.tell(work_process_id, attempt)
        self._changed |= applied.changed_agent_ids
        batch.letters += [
            DeadLetter(rows[refused.index][0].raw, Reason(refused.reason), refused.text) for refused in applied.rejected
        ]

    def _wake(self, wakeups: Sequence[Wakeup]) -> None:
        """Send wake-ups beside the flow: a slow engine must not hold up the agents. The relay re-sends what is left."""
        if wakeups and len(self._sends) < _SENDS_AT_ONCE:
            task = asyncio.create_task(self._waker.send(wakeups))
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)


def _read(messages: Sequence[AbstractIncomingMessage], batch: _Batch) -> list[AgentMessage]:
    readable = []
    for message in messages:
        try:
            readable.append(read(message))
        except BadMessage as error:
            batch.refuse(message, error)
    return readable


def _state_report(message: AgentMessage) -> StateReport:
    if message.inner.type != STATE:
        raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is not {STATE}")
    body = read_body(StateBody, message.inner.body)
    said = body.assignment
    return StateReport(
        uuid=message.uuid,
        status=body.status,
        received_at=message.received_at,
        resources=body.resources,
        work_process_id=body.work_process_id,
        assignment=None
        if said is None or said.id is None
        else AssignmentReport(said.id, (said.status or "").lower(), said.result),
        redelivered=bool(message.raw.redelivered),
    )


def _refused_by_database(message: AgentMessage, error: Exception) -> DeadLetter:
    return DeadLetter(message.raw, Reason.REFUSED_BY_DATABASE, str(getattr(error, "orig", None) or error))
