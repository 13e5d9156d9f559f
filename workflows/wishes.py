"""What clients wish of a mission under way, beside its steps: cancel one assignment, pause its agents at once."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, AgentsPaused, MissionStopped, NotePause, PauseAgents, ResendCancels

from workflows import side_tasks
from workflows.attention import raise_attention
from workflows.looking_up import look_up
from workflows.mission import Failed, Mission, Stop


class Wishes:
    """Serves them until the mission stops or ends; each in a task of its own, for an agent may take its time."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        self._cancels: set[int] = set()
        self._pause = 0
        self._tasks = [asyncio.create_task(self._serve())]

    def end(self) -> None:
        """The mission needs no more of them."""
        for task in self._tasks:
            side_tasks.end(task)

    def _new(self) -> bool:
        pause = self._mission.pause
        return bool(self._mission.attempt.cancels_wished - self._cancels) or (
            pause.immediate and pause.number > self._pause
        )

    async def _serve(self) -> None:
        mission = self._mission
        while True:
            await workflow.wait_condition(self._new)
            for key in sorted(mission.attempt.cancels_wished - self._cancels):
                self._cancels.add(key)
                self._tasks.append(asyncio.create_task(_cancel_assignment(mission, key)))
            if mission.pause.immediate and mission.pause.number > self._pause:
                self._pause = mission.pause.number
                self._tasks.append(asyncio.create_task(_pause_agents(mission, self._pause)))


async def _cancel_assignment(mission: Mission, key: int) -> None:
    """Tell the agent until it confirms; then whoever awaits the assignment does what its policy says."""
    call = ResendCancels(work_process_id=mission.start.work_process_id, assignment_ids=[key])
    try:
        # Not before the assignment itself, which may be on its way.
        await mission.until(lambda: not mission.sends)
        for _ in range(mission.start.cancel_attempts):
            told = await mission.act(Activity.RESEND_CANCELS, call, MissionStopped, f"cancel assignment {key}")
            if key not in told.awaited:
                await look_up(mission, [key])
                return
            if await mission.until(
                lambda: key in mission.attempt.ended,
                timeout=mission.start.cancel_resend_interval,
                waiting=f"the agent confirms the cancel of assignment {key}",
            ):
                return
        await raise_attention(
            mission,
            "assignment_cancel_unconfirmed",
            f"the agent has not confirmed the cancel of assignment {key}; the mission goes on waiting for it",
            key,
        )
    except Stop:
        return  # the mission stops all of them
    except Failed as failed:
        mission.fails(failed.failure)


async def _pause_agents(mission: Mission, number: int) -> None:
    """Tell the agents at work to stand still; then the pause holds, unless somebody wished otherwise meanwhile."""

    def outdated() -> bool:
        return mission.pause.number != number

    try:
        # What is being sent goes out first, so that its agent is told as well.
        await mission.until(lambda: outdated() or not mission.sends)
        if outdated():
            return
        paused = await mission.act(
            Activity.PAUSE_AGENTS, PauseAgents(**mission.call()), AgentsPaused, "tell the agents to pause"
        )
        ids = paused.instant_action_ids
        await mission.until(
            lambda: outdated() or all(key in mission.attempt.told for key in ids),
            waiting="the agents are told to pause",
        )
        if outdated():
            return
        deaf = [key for key in ids if not mission.attempt.told[key]]
        if deaf:
            await raise_attention(
                mission,
                "pause_not_delivered",
                f"instant actions {deaf} came back: their agents were not told to pause and may go on",
            )
        else:
            note = NotePause(**mission.call(), agents_told=True)
            await mission.act(Activity.NOTE_PAUSE, note, None, "pause")
    except Stop:
        return
    except Failed as failed:
        mission.fails(failed.failure)
