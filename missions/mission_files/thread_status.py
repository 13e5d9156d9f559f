"""Where a mission thread stands, as its row says it."""

from enum import StrEnum


class Sequence(StrEnum):
    """Which of a thread's three sequences."""

    PRE = "pre"
    MAIN = "main"
    POST = "post"


class ThreadStatus(StrEnum):
    """Each is written by what brings it about."""

    NOT_STARTED = "not_started"
    """The mission waits for its instruments."""
    PREPARING = "preparing"
    """Its pre sequence runs."""
    WAITING = "waiting"
    """For its time, or for its event."""
    RUNNING = "running"
    """Its mission sequence runs."""
    CLOSING = "closing"
    """Its post sequence runs."""
    DONE = "done"
    ABORTED = "aborted"
    """A command failed, and its policy ended the thread."""
    STOPPED = "stopped"
    """The mission's abort ended it."""


OF_SEQUENCE = {
    Sequence.PRE: ThreadStatus.PREPARING,
    Sequence.MAIN: ThreadStatus.RUNNING,
    Sequence.POST: ThreadStatus.CLOSING,
}
"""What a thread is while one of its sequences runs."""

THREAD_ENDED = frozenset({ThreadStatus.DONE, ThreadStatus.ABORTED, ThreadStatus.STOPPED})
