"""One command of a mission thread: send it, look what came of it, cancel it."""

from temporalio import activity

from activities.cancel_messages import cancel_and_note
from activities.heartbeats import beating
from activities.messages import start_time
from activities.mission_files.sending import send
from activities.parts import Parts
from missions.contracts import Outcome
from missions.mission_files.contracts import (
    CancelCommand,
    CheckCommand,
    CommandChecked,
    CommandSent,
    FileActivity,
    SendCommand,
)
from missions.mission_files.outcomes import error_of
from missions.mission_files.thread_status import OF_SEQUENCE
from missions.transitions import ASSIGNMENT_ENDED
from store import assignment_cancels, assignments, commands, mission_files, mission_threads
from store.work_process_status import lock


class ThreadCommands:
    """The activities `send_command`, `check_command` and `cancel_command`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.SEND_COMMAND)
    async def send_command(self, call: SendCommand) -> CommandSent:
        """Write the command as an assignment, and send it. A retried call sends nothing twice."""
        async with beating():
            async with self._parts.database.transaction() as connection:
                work_process = await lock(connection, call.work_process_id)
                if work_process.superseded or work_process.ended:
                    return CommandSent(outcome=Outcome.SUPERSEDED)
                if await mission_threads.has_ended(connection, call.work_process_id, call.number):
                    return CommandSent(outcome=Outcome.SUPERSEDED)  # by the run that took over from it
                run = await mission_files.read(connection, call.work_process_id)
                command = await mission_files.command(
                    connection, call.work_process_id, call.number, call.sequence, call.index
                )
                written = await commands.write(
                    connection,
                    work_process,
                    step=f"thread-{call.number}",
                    index=call.serial,
                    agent_id=run.devices[command.device],
                    workflow_id=activity.info().workflow_id or "",
                    data=command.body(),
                    start_time=start_time(),
                )
                await mission_threads.show(
                    connection, call.work_process_id, call.number, OF_SEQUENCE[call.sequence], command=command.text
                )
            sent = await send(self._parts, written)
            if sent.error:
                async with self._parts.database.statement() as connection:
                    await mission_threads.note_error(connection, call.work_process_id, call.number, sent.error)
            return sent

    @activity.defn(name=FileActivity.CHECK_COMMAND)
    async def check_command(self, call: CheckCommand) -> CommandChecked:
        """Whether a command has ended, and well; what went wrong is shown on its thread."""
        async with self._parts.database.transaction() as connection:
            status, data, result, noted = await commands.error_of(connection, call.assignment_id)
            if status not in ASSIGNMENT_ENDED:
                return CommandChecked(ended=False)
            error = error_of(status, data, result, noted)
            if error and call.number is not None:
                await mission_threads.note_error(connection, call.work_process_id, call.number, error)
        return CommandChecked(ended=True, status=status, error=error)

    @activity.defn(name=FileActivity.CANCEL_COMMAND)
    async def cancel_command(self, call: CancelCommand) -> CommandChecked:
        """Tell the device to stop; again, if it was told before."""
        async with self._parts.database.transaction() as connection:
            await lock(connection, call.work_process_id)
            await assignment_cancels.stop_open(connection, call.work_process_id, only=call.assignment_id)
            rows = await assignment_cancels.canceling(connection, [call.assignment_id])
        awaited = await cancel_and_note(self._parts, call.work_process_id, rows)
        async with self._parts.database.statement() as connection:
            found = await assignments.statuses(connection, [call.assignment_id])
        return CommandChecked(ended=not awaited, status=found[call.assignment_id])
