"""When a timed thread starts its sequence: on a fixed grid from start to start, of which no point is skipped.

By the original's rules (spec 3, 2.3), but that a grid of whole days keeps its wall time when the clocks change.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from missions.mission_files.mission_time import LATEST
from missions.mission_files.plan import Timing

SECONDS = {"secs": 1.0, "mins": 60.0, "hrs": 3600.0, "days": 86_400.0}
"""Of each unit of an interval."""

_DAY = timedelta(days=1)
_LAST_WALL = LATEST.replace(tzinfo=None)
_FIRST_WALL = datetime.min + _DAY
_FOR_EVER = LATEST - datetime(1, 1, 1, tzinfo=UTC)


def interval(timing: Timing) -> timedelta | None:
    """From start to start; None: it runs once. At most as long as all time there is."""
    if timing.value is None or not timing.value > 0:
        return None
    seconds = min(timing.value * SECONDS[timing.units], _FOR_EVER.total_seconds())
    return timedelta(seconds=seconds) or None


def first_start(timing: Timing, now: datetime) -> datetime:
    """The first start, in the mission's time, aware in UTC as `now` is.

    One in the past moves to the grid's next point after `now`, or to `now` where there is no grid; none gets lost by
    that, since the caller counts what has run. LATEST if the next point is beyond it.
    """
    start = _moment(timing.start, ZoneInfo(timing.time_zone))
    step = interval(timing)
    if start >= now:
        return start
    if step is None:
        return now
    if _keeps_wall_time(timing):
        return _next_day(timing, step, now) or LATEST
    ahead = ((now - start) // step + 1) * step
    return start + ahead if ahead < LATEST - start else LATEST


def next_start(timing: Timing, last: datetime) -> datetime | None:
    """The start after the one at `last`, however long that took: it may be in the past, to catch up.

    None: there is no interval, or no datetime holds it.
    """
    step = interval(timing)
    if step is None:
        return None
    if _keeps_wall_time(timing):
        return _next_day(timing, step, last)
    return last + step if step < LATEST - last else None


def _keeps_wall_time(timing: Timing) -> bool:
    return timing.units == "days" and timing.value is not None and timing.value.is_integer()


def _next_day(timing: Timing, step: timedelta, after: datetime) -> datetime | None:
    """The first moment after another one at which the wall clock shows the start's time, on one of the grid's days.

    Counted from the start's date each time: a wall time that a day did not have must not move those that follow.
    """
    zone = ZoneInfo(timing.time_zone)
    passed = (after.astimezone(zone).replace(tzinfo=None) - timing.start) // step
    for days in (passed * step, (passed + 1) * step):  # the wall clock may show the former once more
        if days >= _LAST_WALL - timing.start:
            return None
        moment = _moment(timing.start + days, zone)
        if moment > after:
            return moment
    raise AssertionError(f"no day of {timing} is after {after}")


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """When it is this wall time.

    One that comes twice, or not at all, is read as standard time, as by the original: the second of the two; the
    skipped 02:30 is 03:30. That is the later one of both ways to read it.
    """
    wall = min(max(wall, _FIRST_WALL), _LAST_WALL)
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
