"""What is repaired behind missions whose run, or whose row, is not as it should be."""

from enum import StrEnum


class Repair(StrEnum):
    """What was done; each is counted, and a line in the log names the mission."""

    RUN_ENDED = "run_ended"
    """Its run was ended from outside: another one stops its agents, and ends it."""
    RUN_RESUMED = "run_resumed"
    """The engine knew no run of it: another one goes on where its rows stand."""
    RUN_LOST = "run_lost"
    """The same, but it could not go on: another one stops its agents, and ends it."""
    RUN_UNNEEDED = "run_unneeded"
    """A run, or a thread's, of a mission that has ended or is not there: it was terminated; or of an idle queue."""
    CANCEL_SENT = "cancel_sent"
    """A canceling mission's run had not been cancelled."""
    QUEUE_RUN = "queue_run"
    """A mission queue that runs had no run: it got one."""
    AGENTS_FREED = "agents_freed"
    """An ended mission held agents, or stood in their lines: they were released."""
    RELEASED_AGAIN = "released_again"
    """An agent stood at `ready` for a mission that does not hold it, and said nothing else: its release got lost."""
    SLOT_FREED = "slot_freed"
    """A mission held a slot, or stood in the line, for an attempt that is over."""
    PLATFORM_FREED = "platform_freed"
    """An ended mission kept its platform in the state of running missions."""
