"""Pause a mission: tell its agents at work to stand still, and show it as paused once the pause holds."""

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Activity, AgentsPaused, NotePause, PauseAgents
from store import instant_actions, pauses
from store.notifications import notify


class Pauses:
    """The activities `pause_agents` and `note_pause`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.PAUSE_AGENTS)
    async def pause_agents(self, call: PauseAgents) -> AgentsPaused:
        """Write the instant actions of an immediate pause; a retried call finds them. Another part sends them."""
        async with self._parts.database.transaction() as connection:
            ids = await pauses.tell_agents(connection, call.work_process_id)
        if ids:
            await notify(self._parts.database, instant_actions.CHANNEL)
        return AgentsPaused(instant_action_ids=ids)

    @activity.defn(name=Activity.NOTE_PAUSE)
    async def note_pause(self, call: NotePause) -> None:
        """Idempotent: only a wish that still stands is noted."""
        async with self._parts.database.transaction() as connection:
            await pauses.note(connection, call.work_process_id, agents_told=call.agents_told)
