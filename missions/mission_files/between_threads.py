"""Threads against each other: which of them would need one instrument at the same time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import combinations

from missions.mission_files.clashes import Windows, first_overlap, overlap
from missions.mission_files.issues import Issues
from missions.mission_files.plan import ENDLESS
from missions.mission_files.schedules import interval
from missions.mission_files.threads import ReadThread
from missions.mission_files.time_zones import in_utc

# Enough to see what is wrong; each takes a millisecond.
_MOST_CLASHES = 50


def check_between(threads: Sequence[ReadThread], issues: Issues) -> None:
    """Two timed threads: an error, or a warning if they meet only when the mission starts late.

    A timed thread and one that waits for events: a warning.
    """
    found = 0
    for one, other in combinations([thread for thread in threads if thread.schedule.timing is not None], 2):
        found += _tell_of_clash(one, other, issues)
        if found == _MOST_CLASHES:
            break
    for thread in threads:
        if thread.schedule.trigger is not None:
            _tell_of_timed(thread, threads, issues)


def _tell_of_clash(one: ReadThread, other: ReadThread, issues: Issues) -> bool:
    shared = next((place.text for name, place in one.instruments.items() if name in other.instruments), None)
    place = other.schedule.start
    if shared is None or place is None:
        return False
    first, second = _windows(one), _windows(other)
    both = f"threads {one.number} and {other.number} both need `{shared}`"
    if (at := first_overlap(first, second)) is not None:
        issues.error(place, f"{both}{_when(at)}", "move one of them, or write both into one thread")
        return True
    once = first.interval is None or second.interval is None  # a start that is past is then moved to any moment
    if once or overlap(first.endless(), second.endless()):
        message = f"{both}, and will overlap if the mission starts late"
        issues.warning(place, message, "start it before their times, or write both into one thread")
        return True
    return False


def _when(seconds: Fraction) -> str:
    try:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))
    except OverflowError:  # of loops that are as long as they are many
        return ""
    return f" at {moment:%Y-%m-%d %H:%M:%S} UTC"


def _windows(thread: ReadThread) -> Windows:
    timing = thread.schedule.timing
    assert timing is not None
    each = interval(timing)
    count = 1 if each is None else None if timing.quantity == ENDLESS else timing.quantity
    return Windows(int(in_utc(timing.start, timing.time_zone).timestamp()), thread.waits, each, count)


def _tell_of_timed(waiting: ReadThread, threads: Sequence[ReadThread], issues: Issues) -> None:
    for name, place in waiting.instruments.items():
        timed = [str(each.number) for each in threads if each.schedule.timing is not None and name in each.instruments]
        if timed:
            message = f"`{place.text}` is also needed at the times of thread {', '.join(timed)}"
            issues.warning(place, message, "see that they cannot disturb each other")
