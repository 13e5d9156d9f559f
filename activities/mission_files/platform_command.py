"""A platform's command: send it to those that need it, and write the platform's new state once they have done it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from temporalio import activity

from activities.heartbeats import beating
from activities.messages import start_time
from activities.mission_files.sending import send
from activities.parts import Parts
from missions import task_events
from missions.contracts import Outcome
from missions.errors import Failure, FailureCode
from missions.events import EventSource, utc_now
from missions.mission_files.child_dispatch import CHILD_COMMANDS, missed, needs
from missions.mission_files.outcomes import error_of
from missions.mission_files.plan import Method
from missions.mission_files.platform_contracts import (
    CommandSentTo,
    PlatformActivity,
    PlatformCommandSent,
    PlatformCommandSettled,
    SendPlatformCommand,
    SettlePlatformCommand,
)
from missions.mission_files.platform_states import STEPS, PlatformCommand
from missions.principals import MUSTER
from missions.statuses import AssignmentStatus, WorkProcessStatus
from missions.transitions import ASSIGNMENT_ENDED
from store import commands, instruments, platform_commands, platforms
from store.connection import Connection
from store.work_process_status import LockedWorkProcess, change, lock

_STEP = "platform-command"


class PlatformCommands:
    """The activities `send_platform_command` and `settle_platform_command`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=PlatformActivity.SEND_PLATFORM_COMMAND)
    async def send_platform_command(self, call: SendPlatformCommand) -> PlatformCommandSent:
        """Send the command to each agent of the mission that still needs it. A retried call sends nothing twice."""
        async with beating():
            async with self._parts.database.transaction() as connection:
                work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
                if work_process.superseded or work_process.ended:
                    return PlatformCommandSent(outcome=Outcome.SUPERSEDED)
                await _execute(connection, work_process, call)
                written = [
                    await commands.write(
                        connection,
                        work_process,
                        step=_STEP,
                        index=work_process.agent_ids.index(agent_id),
                        agent_id=agent_id,
                        workflow_id=activity.info().workflow_id or "",
                        data=_data(call),
                        start_time=start_time(),
                    )
                    for agent_id in await _to_tell(connection, work_process, call)
                ]
            sent = await asyncio.gather(*(send(self._parts, one) for one in written), return_exceptions=True)
        for answer in sent:
            if isinstance(answer, BaseException):
                raise answer
        return PlatformCommandSent(
            outcome=Outcome.DONE,
            commands=[
                CommandSentTo(**answer.model_dump(), agent=one.row["agent_uuid"])
                for one, answer in zip(written, sent, strict=True)
                if not isinstance(answer, BaseException)
            ],
        )

    @activity.defn(name=PlatformActivity.SETTLE_PLATFORM_COMMAND)
    async def settle_platform_command(self, call: SettlePlatformCommand) -> PlatformCommandSettled:
        """Write the platform's new state if all have done the command; the first that has not is the failure."""
        async with self._parts.database.transaction() as connection:
            work_process = await lock(connection, call.work_process_id, attempt=call.attempt)
            if work_process.superseded:
                return PlatformCommandSettled(outcome=Outcome.SUPERSEDED)
            found = await platform_commands.outcomes(connection, call.work_process_id)
            waiting = [one.agent_uuid for one in found if one.status not in ASSIGNMENT_ENDED]
            if waiting:
                return PlatformCommandSettled(outcome=Outcome.WAITING, waiting=waiting)
            failures = [failure for one in found if (failure := _failure(call.command, one)) is not None]
            if failures:
                return PlatformCommandSettled(outcome=Outcome.FAILED, failure=failures[0])
            await _move(connection, call)
        return PlatformCommandSettled(outcome=Outcome.DONE)


async def _execute(connection: Connection, work_process: LockedWorkProcess, call: SendPlatformCommand) -> None:
    """The mission executes now; what reserved nothing starts here."""
    if work_process.status is WorkProcessStatus.EXECUTING:
        return
    transition = call.transition
    if work_process.status is WorkProcessStatus.DISPATCHED:
        now = utc_now()
        started = task_events.started(
            work_process.id, work_process.type_name, work_process.priority, float(work_process.priority), 0, now
        )
        await change(
            connection,
            work_process,
            WorkProcessStatus.PREPARING_RESOURCES,
            principal=MUSTER,
            source=EventSource.MISSION_WORKER,
            transition=transition,
            values={"run_id": activity.info().workflow_run_id, "started_at": now},
            also=[started],
        )
        work_process = await lock(connection, work_process.id)
        transition += 1
    await change(
        connection,
        work_process,
        WorkProcessStatus.EXECUTING,
        principal=MUSTER,
        source=EventSource.MISSION_WORKER,
        transition=transition,
    )


async def _to_tell(connection: Connection, work_process: LockedWorkProcess, call: SendPlatformCommand) -> list[int]:
    """The agents that need the command now: others may have moved them while it waited. And whom it was written for."""
    if call.command not in CHILD_COMMANDS:
        return work_process.agent_ids
    states = await instruments.states(connection, work_process.agent_ids)
    written = {one.agent_id for one in await platform_commands.outcomes(connection, work_process.id)}
    return [
        agent_id
        for agent_id in work_process.agent_ids
        if agent_id in written or needs(CHILD_COMMANDS[call.command], states[agent_id])
    ]


def _data(call: SendPlatformCommand) -> Mapping[str, Any]:
    command = CHILD_COMMANDS.get(call.command)
    method, name = (Method.EXECUTE_RESOURCE, call.name) if command is None else (command.method, command.value)
    return {"command": {"method": method, "name": name, "args": call.values, "kwargs": {}}}


def _failure(command: str, one: platform_commands.Outcome) -> Failure | None:
    error = error_of(AssignmentStatus(one.status), one.data, one.result, one.noted)
    if not error and command in CHILD_COMMANDS and isinstance(one.result, Mapping):
        error = missed(CHILD_COMMANDS[command], one.result.get("state"))
    if not error:
        return None
    return Failure(
        code=FailureCode.ASSIGNMENT_FAILED,
        text=f"{one.agent_uuid} did not do {one.data['command']['name']}: {error}",
        assignment_id=one.assignment_id,
        agent_id=one.agent_id,
    )


async def _move(connection: Connection, call: SettlePlatformCommand) -> None:
    target = STEPS[PlatformCommand(call.command)].target
    if target is None:
        return
    await platforms.set_state(
        connection,
        await platforms.lock(connection, call.platform_id),
        target,
        cause=f"the command {call.command}",
        source=EventSource.MISSION_WORKER,
        principal=MUSTER,
    )
