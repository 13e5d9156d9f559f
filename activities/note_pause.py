"""Show a mission as paused, once its workflow waits."""

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Activity, NotePause
from store import pauses


class PauseNotes:
    """The activity `note_pause`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.NOTE_PAUSE)
    async def note_pause(self, call: NotePause) -> None:
        """Idempotent: only a wish that still stands is noted."""
        async with self._parts.database.transaction() as connection:
            await pauses.note(connection, call.work_process_id)
