"""Time zones by their names, and wall times in them."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def zone_names() -> frozenset[str]:
    """Every name that stands for the same zone on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def in_utc(wall: datetime, zone: str) -> datetime:
    """A wall time as UTC. One that comes twice or never that day, as the clocks change: by standard time."""
    return (wall - _offsets(wall, zone)[0]).replace(tzinfo=UTC)


def is_odd(wall: datetime, zone: str) -> bool:
    """Whether a wall time comes twice or never, as the clocks change."""
    first, second = _offsets(wall, zone)
    return first != second


def _offsets(wall: datetime, zone: str) -> tuple[timedelta, timedelta]:
    """Both that it may have; that of standard time first."""
    info = ZoneInfo(zone)
    both = [wall.replace(tzinfo=info, fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return min(both), max(both)
