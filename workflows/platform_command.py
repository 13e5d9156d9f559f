"""A platform's command: reserve the instruments that need it, send it to each, await their reports, end cleanly."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Outcome
    from missions.errors import Failure, FailureCode
    from missions.mission_files.platform_contracts import (
        PLATFORM_COMMAND_RUN,
        PlatformActivity,
        PlatformCommandSent,
        PlatformCommandSettled,
        PlatformCommandStart,
        SendPlatformCommand,
        SettlePlatformCommand,
    )
    from missions.statuses import WorkProcessStatus

from workflows.ending import end_run, fail, stop_canceled, succeed
from workflows.mission import Failed, Stop
from workflows.mission_signals import MissionSignals
from workflows.options import WITH_HEARTBEAT
from workflows.reserving import reserve
from workflows.through_cancels import through_cancels


@workflow.defn(name=PLATFORM_COMMAND_RUN)
class PlatformCommand(MissionSignals):
    """One command, from its acceptance to its last status."""

    @workflow.init
    def __init__(self, start: PlatformCommandStart) -> None:
        super().__init__(start)
        self._start = start

    @workflow.run
    async def run(self, start: PlatformCommandStart) -> str:
        """Returns the last status; a failed command's run ends FAILED, a cancelled one's CANCELED."""
        status = await through_cancels(self._live(), self._natively_cancelled)
        return await end_run(self._mission, status)

    async def _live(self) -> WorkProcessStatus:
        mission = self._mission
        try:
            mission.begin()
            if self._start.reserves:
                await reserve(mission)
            await mission.while_paused()
            await self._send()
            await self._settle()
            return await succeed(mission)
        except Failed as failed:
            return await fail(mission, failed.failure)
        except Stop:
            return await stop_canceled(mission)

    async def _send(self) -> None:
        """Return when all have said their last word, or had their time."""
        start, mission = self._start, self._mission
        sent = await mission.act(
            PlatformActivity.SEND_PLATFORM_COMMAND,
            SendPlatformCommand(
                **mission.call(),
                platform_id=start.platform_id,
                command=start.command,
                name=start.name,
                values=start.values,
            ),
            PlatformCommandSent,
            f"send {start.command} {start.name}".strip(),
            WITH_HEARTBEAT,
        )
        if sent.outcome is Outcome.SUPERSEDED:
            raise Stop
        mission.show_executing()
        awaited = [one for one in sent.commands if one.outcome is Outcome.DONE and not one.ended]
        await mission.until(
            lambda: all(one.assignment_id in mission.attempt.ended for one in awaited),
            timeout=start.command_timeout,
            waiting=", ".join(one.agent for one in awaited),
        )

    async def _settle(self) -> None:
        start, mission = self._start, self._mission
        settled = await mission.act(
            PlatformActivity.SETTLE_PLATFORM_COMMAND,
            SettlePlatformCommand(**mission.call(), platform_id=start.platform_id, command=start.command),
            PlatformCommandSettled,
            f"look what came of {start.command}",
        )
        if settled.outcome is Outcome.SUPERSEDED:
            raise Stop
        if settled.failure is not None:
            raise Failed(settled.failure)
        if settled.waiting:
            text = f"{', '.join(settled.waiting)} did not end {start.command} within {start.command_timeout:g} s"
            raise Failed(Failure(code=FailureCode.ASSIGNMENT_TIMEOUT, text=text))
