"""Reads when a thread runs: at times, or after events."""

from dataclasses import dataclass
from datetime import UTC
from fractions import Fraction

from missions.mission_files.fields import Fields, Value, fields, moment, number, text, whole
from missions.mission_files.issues import Issues, Place, nearest, shortened
from missions.mission_files.plan import ENDLESS, Timing, Trigger
from missions.mission_files.time_zones import is_odd, zone_names

UNITS = {"secs": 1, "mins": 60, "hrs": 3_600, "days": 86_400}
"""Seconds of each."""

_OTHER_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "secs"),
    **dict.fromkeys(("m", "min", "minute", "minutes"), "mins"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "hrs"),
    **dict.fromkeys(("d", "day"), "days"),
}
_SHORTEST_INTERVAL = 0.001
_LONGEST_INTERVAL = 10 * 365 * 86_400

SCHEDULE = ("startTime", "timeZone", "loop", "event")
LOOP = ("quantity", "value", "units")
EVENT = ("parentID", "eventID")


@dataclass(frozen=True)
class Schedule:
    """When a thread runs, one of both; and where that is written."""

    timing: Timing | None = None
    trigger: Trigger | None = None
    start: Place | None = None
    loop: Place | None = None
    source: Place | None = None


def interval(timing: Timing) -> Fraction | None:
    """From start to start, in seconds; None: it runs once."""
    return None if timing.value is None else exact_seconds(timing.value, timing.units)


def exact_seconds(value: float, units: str) -> Fraction:
    """As it is written, not as binary fractions have it; in whole microseconds, so that sums stay small."""
    return Fraction(round(Fraction(str(value)) * UNITS[units] * 1_000_000), 1_000_000)


def read_schedule(value: Value, issues: Issues) -> Schedule:
    """The schedule of one thread; empty if it has errors."""
    schedule = fields(value, SCHEDULE, issues, "write `startTime`, `timeZone`, `loop` or `event` below it")
    if schedule is None:
        return Schedule()
    loop = _part(schedule, "loop", LOOP, issues)
    event = _part(schedule, "event", EVENT, issues)
    zone = _zone(schedule, issues)
    start = schedule.filled("startTime")
    if start is not None:
        _say_event_is_ignored(schedule, event, issues)
        timing = _timing(start, loop, zone, issues)
        return Schedule(timing=timing, start=start.place, loop=_place_of_value(loop))
    source = event.filled("parentID") if event is not None else None
    trigger = _trigger(schedule, loop, event, issues)
    return Schedule(trigger=trigger, source=source.place if source is not None and trigger is not None else None)


def _part(schedule: Fields, name: str, known: tuple[str, ...], issues: Issues) -> Fields | None:
    value = schedule.filled(name)
    if value is None:
        return None
    return fields(value, known, issues, f"write {', '.join(f'`{key}`' for key in known)} below it")


def _zone(schedule: Fields, issues: Issues) -> str | None:
    value = schedule.filled("timeZone")
    if value is None:
        return "UTC"
    name = text(value, issues)
    if name is None or name in zone_names():
        return name
    meant = nearest(name, sorted(zone_names()))
    remedy = (
        f"write `{meant}`" if meant else "write a name of the tz database, such as `US/Pacific`, or nothing for UTC"
    )
    issues.error(value.place, f"`{shortened(name)}` is no time zone", remedy)
    return None


def _place_of_value(loop: Fields | None) -> Place | None:
    value = loop and loop.filled("value")
    return value.place if value else None


def _say_event_is_ignored(schedule: Fields, event: Fields | None, issues: Issues) -> None:
    if event is not None and (event.filled("parentID") or event.filled("eventID")):
        message = "the event is ignored: the thread has a `startTime`"
        issues.warning(schedule.place("event"), message, "remove one of the two")


def _timing(value: Value, loop: Fields | None, zone: str | None, issues: Issues) -> Timing | None:
    start = moment(value, issues)
    looping = _loop(loop, issues)
    if start is None or zone is None or looping is None:
        return None
    if start.tzinfo is not None:
        # The offset says it exactly; in the zone, the hour that comes twice would not.
        start, zone = start.astimezone(UTC).replace(tzinfo=None), "UTC"
    elif is_odd(start, zone):
        message = f"the clocks of {zone} change then: the time is taken as standard time"
        issues.warning(value.place, message, "write another time, or one with an offset (2026-01-31T13:00:00+01:00)")
    quantity, each, units = looping
    return Timing(start=start, time_zone=zone, value=each, units=units, quantity=quantity)


def _loop(loop: Fields | None, issues: Issues) -> tuple[int, float | None, str] | None:
    """Quantity, value and units; None if they have errors, all of which are told."""
    once = (1, None, "secs")
    if loop is None:
        return once
    quantity, each, units = _quantity(loop, issues), _value(loop, issues), _units(loop, issues)
    if each == 0 and quantity not in (None, 0, 1):
        issues.error(loop.place("value"), "`value` is missing: the time from start to start", "write it")
    if units == "" and quantity != 0 and (each != 0 or quantity not in (None, 1)):
        issues.error(loop.place("units"), "`units` is missing", f"write one of {', '.join(UNITS)}")
    in_range = not each or not units or quantity == 0 or _is_in_range(loop, each * UNITS[units], issues)
    if quantity is None or each is None or units is None:
        return None
    if quantity == 0:
        _say_without_effect(loop, ("value", "units"), "as there is no `quantity`", issues)
    if quantity == 0 or (quantity == 1 and each == 0):
        return once
    return (quantity, each, units) if each and units and in_range else None


def _is_in_range(loop: Fields, seconds: float, issues: Issues) -> bool:
    if _SHORTEST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        return True
    message = "a loop takes from a millisecond to ten years"
    issues.error(loop.place("value"), message, "write less" if seconds > 1 else "write more")
    return False


def _quantity(loop: Fields, issues: Issues) -> int | None:
    """0: there is none."""
    value = loop.filled("quantity")
    found = 0 if value is None else whole(value, issues)
    if value is not None and found is not None and found < ENDLESS:
        issues.error(value.place, f"the quantity cannot be {found}", "write how often, or -1 for ever")
        return None
    return found


def _value(loop: Fields, issues: Issues) -> float | None:
    """0: there is none."""
    value = loop.filled("value")
    if value is None:
        return 0
    found = number(value, issues)
    if found is not None and found <= 0:
        remedy = "write the time from start to start, or nothing to run once"
        issues.error(value.place, f"a loop cannot take {value.text}", remedy)
        return None
    return found


def _units(loop: Fields, issues: Issues) -> str | None:
    """Empty: there are none."""
    value = loop.filled("units")
    if value is None:
        return ""
    name = text(value, issues)
    if name is None or name.lower() in UNITS:
        return name and name.lower()
    meant = _OTHER_UNITS.get(name.lower()) or nearest(name, UNITS)
    remedy = f"write `{meant}`" if meant else f"write one of {', '.join(UNITS)}"
    issues.error(value.place, f"`{shortened(name)}` is no unit of time", remedy)
    return None


def _trigger(schedule: Fields, loop: Fields | None, event: Fields | None, issues: Issues) -> Trigger | None:
    found = {name: event.filled(name) if event is not None else None for name in EVENT}
    if not any(found.values()):
        if event is not None or schedule.filled("event") is None:  # else that was told
            message = "the thread has neither a `startTime` nor an `event`"
            remedy = "write when it starts, or the event that it waits for"
            issues.error(schedule.place("startTime"), message, remedy)
        return None
    assert event is not None
    for name in EVENT:
        if found[name] is None:
            remedy = "write whose event it is" if name == "parentID" else "write which event it is"
            issues.error(event.place(name), f"`{name}` is missing", remedy)
    texts = [text(value, issues) for value in found.values() if value is not None]
    quantity = _served(loop, issues)
    if schedule.filled("timeZone") is not None:
        message = "`timeZone` is without effect, as there is no `startTime`"
        issues.warning(schedule.place("timeZone"), message, "remove it")
    if len(texts) < 2 or None in texts or quantity is None:
        return None
    return Trigger(source=str(texts[0]), event=str(texts[1]), quantity=quantity)


def _served(loop: Fields | None, issues: Issues) -> int | None:
    """How many events a thread serves."""
    if loop is None:
        return ENDLESS
    value = loop.filled("quantity")
    quantity = ENDLESS if value is None else whole(value, issues)
    _say_without_effect(loop, ("value", "units"), "as the thread waits for events", issues)
    if quantity is not None and quantity < ENDLESS and value is not None:
        issues.error(value.place, f"the quantity cannot be {quantity}", "write how many events, or nothing for all")
        return None
    return quantity or (None if quantity is None else ENDLESS)


def _say_without_effect(part: Fields, names: tuple[str, ...], why: str, issues: Issues) -> None:
    for name in names:
        if part.filled(name) is not None:
            issues.warning(part.place(name), f"`{name}` is without effect, {why}", "remove it")
