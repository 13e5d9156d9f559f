"""Send one command to its device: at most once, unless it came back or was surely not sent."""

import asyncio
import time

from activities.messages import address, message
from activities.parts import Parts
from fleet.downlink import Delivery, UnknownOutcome
from missions.contracts import Outcome
from missions.errors import PartUnavailable
from missions.mission_files.contracts import CommandSent
from store import assignments
from store.agent_service import not_listening
from store.commands import Written
from store.reservations import lock_agents
from store.waiting_line import refresh_lines
from store.work_process_status import lock

_RETRY_PAUSE = 0.2


async def send(parts: Parts, written: Written) -> CommandSent:
    """Publish a command that is to be sent, and note what became of it.

    One of unknown outcome counts as sent: its device's report decides, or the command's time-out.
    """
    row = written.row
    if written.to_send:
        try:
            delivery = await _publish(parts, written)
        except UnknownOutcome:
            return CommandSent(outcome=Outcome.DONE, assignment_id=row["id"])
        except PartUnavailable:
            async with parts.database.transaction() as connection:
                await lock(connection, row["work_process_id"])
                await assignments.withdraw_intent(connection, row["work_process_id"], [row["id"]], row["intent_at"])
            raise
        if delivery is Delivery.NOT_LISTENING:
            return await _deaf(parts, written)
        async with parts.database.statement() as connection:
            await assignments.sent(connection, row["work_process_id"], [row])
    return CommandSent(outcome=Outcome.DONE, assignment_id=row["id"], ended=written.ended)


async def _publish(parts: Parts, written: Written) -> Delivery:
    # Devices check in before they listen, so the broker may return the first tries.
    deadline = time.monotonic() + parts.settings.reserve_return_window
    while True:
        delivery = await parts.downlink.assign(address(written.row), message(written.row))
        if delivery is Delivery.DELIVERED or time.monotonic() > deadline:
            return delivery
        await asyncio.sleep(_RETRY_PAUSE)


async def _deaf(parts: Parts, written: Written) -> CommandSent:
    row = written.row
    error = f"{row['agent_uuid']} is not listening for commands."
    async with parts.database.transaction() as connection:
        await lock(connection, row["work_process_id"])
        await assignments.fail_unsent(connection, row["work_process_id"], [row["id"]], error)
        await lock_agents(connection, [row["agent_id"]])
        await not_listening(connection, [row["agent_id"]], pause=parts.settings.deaf_agent_interval)
    await parts.waker.send(await refresh_lines(parts.database, [row["agent_id"]]))
    return CommandSent(outcome=Outcome.FAILED, assignment_id=row["id"], error=error)
