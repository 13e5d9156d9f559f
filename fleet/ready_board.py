"""Tells the mission's own process at once that its agents are ready.

Agents answer a reserve within milliseconds. Where the intake runs beside the missions, the activity that sent the
reserve waits this short while itself; only a slower answer costs a wake-up row, a signal and a turn of the workflow.
It is a short cut and nothing else: the answer is in the store before it is told here.
"""

import asyncio
import time

# Without a batch for this long the intake of another process is the one that works.
_FRESH = 5.0


class ReadyBoard:
    """Shared by the intake and the missions of one process."""

    def __init__(self) -> None:
        self._awaited: dict[tuple[int, int], asyncio.Event] = {}
        self._last_batch = float("-inf")

    def batch_taken(self) -> None:
        """The intake of this process works."""
        self._last_batch = time.monotonic()

    def is_fed(self) -> bool:
        """Whether the answers of agents come to this process."""
        return time.monotonic() - self._last_batch < _FRESH

    def expect(self, work_process_id: int, attempt: int) -> asyncio.Event:
        """The event of this attempt's agents; before they are asked. Forget it afterwards."""
        return self._awaited.setdefault((work_process_id, attempt), asyncio.Event())

    def forget(self, work_process_id: int, attempt: int) -> None:
        """Nobody waits any more."""
        self._awaited.pop((work_process_id, attempt), None)

    def tell(self, work_process_id: int, attempt: int) -> None:
        """All agents of this attempt are ready, and that is committed."""
        event = self._awaited.get((work_process_id, attempt))
        if event is not None:
            event.set()
