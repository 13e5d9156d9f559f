"""A thread's commands: one after the other, each as often as its policy says."""

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Outcome
    from missions.mission_files.contracts import (
        CheckCommand,
        CommandChecked,
        CommandSent,
        FileActivity,
        Place,
        SendCommand,
        ShowThread,
    )
    from missions.mission_files.plan import Command, ErrorPolicy, Method
    from missions.mission_files.thread_status import OF_SEQUENCE
    from missions.mission_files.thread_status import Sequence as Part
    from missions.statuses import AssignmentStatus
    from missions.transitions import ASSIGNMENT_SUCCEEDED

from workflows.acting import act
from workflows.options import WITH_HEARTBEAT
from workflows.thread_state import Aborted, Thread

_CHECKED = (Method.SET_RESOURCE, Method.GET_RESOURCE)


async def run_all(thread: Thread, part: Part, commands: Sequence[Command], max_retries: int) -> None:
    """One of its sequences, or what is left of it; raises Aborted, Stopped, Continues."""
    place = thread.place if thread.place is not None and thread.place.sequence is part else None
    thread.place = None
    first, attempt = (0, 1) if place is None else (place.index, place.attempt)
    for index in range(first, len(commands)):
        command = commands[index]
        await thread.holding()
        thread.continue_if_long(Place(sequence=part, index=index, attempt=attempt))
        workflow.set_current_details(f"**{OF_SEQUENCE[part]}** loop {thread.loop}: {command.text}")
        if command.wait_minutes is not None:
            until = workflow.time() + thread.scaled(command.wait_minutes * 60)
            shown = thread.call(ShowThread, status=OF_SEQUENCE[part], command=command.text)
            await act(FileActivity.SHOW_THREAD, shown, None, command.text)
            await thread.until_time(until, command.text)
        else:
            await _command(thread, Place(sequence=part, index=index, attempt=attempt), command, max_retries)
        attempt = 1


async def _command(thread: Thread, place: Place, command: Command, max_retries: int) -> None:
    """One command, as often as its policy and `maxRetries` say."""
    for attempt in range(place.attempt, max_retries + 1):
        if attempt > place.attempt:
            await thread.holding()
            thread.continue_if_long(place.model_copy(update={"attempt": attempt}))
        thread.commanding = True
        error = await _attempt(thread, place, command)
        thread.commanding = False
        if not error or command.on_error is ErrorPolicy.SKIP:
            return
        words = f"{error.removesuffix('.')}. Mission sequence command = {command.text}"
        if command.on_error is ErrorPolicy.ABORT_MISSION:
            raise Aborted(words, mission=True)
        if command.on_error is ErrorPolicy.ABORT or attempt == max_retries:
            raise Aborted(words, mission=False)
        pause = thread.scaled(thread.start.retry_pause)
        await thread.until_time(workflow.time() + pause, f"try {command.text} again")


async def _attempt(thread: Thread, place: Place, command: Command) -> str:
    """Send a command and await its end; returns what went wrong, or nothing."""
    thread.commands_sent += 1
    call = thread.call(SendCommand, sequence=place.sequence, index=place.index, serial=thread.commands_sent)
    sent = await act(FileActivity.SEND_COMMAND, call, CommandSent, command.text, WITH_HEARTBEAT)
    if sent.outcome is Outcome.SUPERSEDED:
        await thread.until_stopped()
    if sent.outcome is Outcome.FAILED:
        return sent.error
    key, limit = sent.assignment_id, command.timeout or thread.start.command_timeout
    status = sent.ended or await thread.commands.end_of(
        key, limit, f"{command.device}: {command.text}", lambda: thread.stopping or key in thread.cancels_wished
    )
    if status is None:
        status = await thread.commands.cancel(key, command.device)
        if status is None:
            thread.unconfirmed.append(key)
        thread.check()
        if status is None or status == AssignmentStatus.CANCELED:
            cancelled = "Somebody cancelled it." if key in thread.cancels_wished else ""
            return cancelled or f"{command.device} did not end it within {limit:g} s."
    thread.check()
    if status in ASSIGNMENT_SUCCEEDED and command.method not in _CHECKED:
        return ""
    checked = await act(
        FileActivity.CHECK_COMMAND,
        thread.call(CheckCommand, assignment_id=key),
        CommandChecked,
        f"look what came of {command.text}",
    )
    return checked.error
