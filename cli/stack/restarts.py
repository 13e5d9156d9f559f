"""When a program of ours that ended by itself is started again, and when that is given up."""

import time
from collections.abc import Callable

AT_ONCE = 10.0
"""Seconds: who ends sooner after its start ended at once."""
MOST = 5
"""How often in a row a program may end at once."""
LONG = 300.0
"""Seconds: who lived that long begins anew, with the first pause."""
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class Restarts:
    """The ends of one program, and the pause after each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._pause = 0.0
        self.in_a_row = 0
        """How often it ended at once, one after the other."""

    def started(self) -> None:
        """It is started."""
        self._started = self._clock()

    def pause(self) -> float | None:
        """It ended: seconds to wait before its next start; None: it is to be given up."""
        lived = self._clock() - self._started
        self.in_a_row = self.in_a_row + 1 if lived < AT_ONCE else 0
        if self.in_a_row > MOST:
            return None
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._pause and lived < LONG else _FIRST_PAUSE
        return self._pause
