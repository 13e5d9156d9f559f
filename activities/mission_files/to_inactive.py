"""Bring an instrument to INACTIVE, one command at a time, as its state asks for."""

from temporalio import activity

from activities.heartbeats import beating
from activities.messages import start_time
from activities.mission_files.sending import send
from activities.parts import Parts
from missions.contracts import Outcome
from missions.mission_files.contracts import BringToInactive, CommandSent, FileActivity
from missions.mission_files.instrument_states import step_to_inactive
from missions.mission_files.plan import Command, ErrorPolicy
from store import commands, instruments, mission_agents
from store.work_process_status import lock


class ToInactive:
    """The activity `bring_to_inactive`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=FileActivity.BRING_TO_INACTIVE)
    async def bring_to_inactive(self, call: BringToInactive) -> CommandSent:
        """Send the next command. Without an `assignment_id`: nothing is left to do, or the mission holds it no more."""
        async with beating():
            async with self._parts.database.transaction() as connection:
                work_process = await lock(connection, call.work_process_id)
                held = await mission_agents.holds(connection, work_process.id, call.agent_id)
                state = (await instruments.states(connection, [call.agent_id]))[call.agent_id]
                step = step_to_inactive(state)
                # One that says nothing of its state is told once.
                if not held or step is None or (state is None and call.sent):
                    return CommandSent(outcome=Outcome.DONE)
                command = Command(text=step, method=step.method, name=step, on_error=ErrorPolicy.SKIP)
                by = "" if call.number is None else f"thread-{call.number}-"
                written = await commands.write(
                    connection,
                    work_process,
                    step=f"{by}inactive-{call.agent_id}" + (f"-{call.run}" if call.run else ""),
                    index=call.sent,
                    agent_id=call.agent_id,
                    workflow_id=activity.info().workflow_id or "",
                    data=command.body(),
                    start_time=start_time(),
                )
            return await send(self._parts, written)
