"""When a timed thread starts: its grid of starts, in every time zone, through the changes of the clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missions.mission_files.grid import first_start, interval, next_start
from missions.mission_files.mission_time import LATEST
from missions.mission_files.plan import ENDLESS, Timing

PACIFIC, BERLIN = "US/Pacific", "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def timing(start: str, value: float | None = None, units: str = "secs", zone: str = "UTC", **more: Any) -> Timing:
    return Timing(start=datetime.fromisoformat(start), value=value, units=units, time_zone=zone, **more)


def starts(of: Timing, now: str, count: int) -> list[datetime]:
    found = [first_start(of, utc(now))]
    while len(found) < count:
        following = next_start(of, found[-1])
        assert following is not None
        found.append(following)
    return found


def walls(of: Timing, now: str, count: int) -> list[str]:
    """The starts as a clock on the spot shows them."""
    zone = ZoneInfo(of.time_zone)
    return [f"{moment.astimezone(zone):%m-%d %H:%M}" for moment in starts(of, now, count)]


# --- the first start


def test_a_start_to_come_is_waited_for_with_and_without_a_loop() -> None:
    for value in (None, 180.0):
        assert first_start(timing("2026-05-01T12:00:00", value), utc("2026-04-30T11:59:59")) == utc("2026-05-01T12:00")


def test_a_start_right_now_is_now() -> None:
    for value in (None, 180.0):
        assert first_start(timing("2026-05-01T12:00:00", value), utc("2026-05-01T12:00")) == utc("2026-05-01T12:00")


def test_a_past_start_without_a_loop_is_now() -> None:
    now = utc("2026-05-01T12:00:00.25")
    assert first_start(timing("2014-07-18T14:24:00"), now) == now
    assert first_start(timing("2014-07-18T14:24:00", 0.0), now) == now


def test_a_past_start_with_a_loop_moves_to_the_next_point_of_the_grid() -> None:
    every_three = timing("2014-07-18T14:24:10", 3, "mins", quantity=1)
    assert first_start(every_three, utc("2026-05-01T12:00")) == utc("2026-05-01T12:00:10")
    assert first_start(every_three, utc("2026-05-01T12:00:11")) == utc("2026-05-01T12:03:10")


def test_now_on_a_point_of_the_grid_is_too_late_for_that_point() -> None:
    every_minute = timing("2026-05-01T11:00:00", 1, "mins")
    assert first_start(every_minute, utc("2026-05-01T12:00")) == utc("2026-05-01T12:01")
    daily = timing("2026-04-01T12:00:00", 1, "days", PACIFIC)
    assert first_start(daily, utc("2026-05-01T19:00")) == utc("2026-05-02T19:00")
    assert first_start(daily, utc("2026-05-01T18:59:59.999999")) == utc("2026-05-01T19:00")


def test_quantity_changes_no_start() -> None:
    for quantity in (ENDLESS, 1, 3):
        of = timing("2026-05-01T11:00:00", 90, "mins", quantity=quantity)
        assert starts(of, "2026-05-01T12:00", 2) == [utc("2026-05-01T12:30"), utc("2026-05-01T14:00")]


@pytest.mark.parametrize(("zone", "expected"), [(PACIFIC, "21:24"), (BERLIN, "12:24"), ("UTC", "14:24")])
def test_the_start_is_a_wall_time_of_its_zone(zone: str, expected: str) -> None:
    of = timing("2030-07-18T14:24:00", zone=zone)
    assert first_start(of, utc("2026-01-01")) == utc(f"2030-07-18T{expected}")


# --- the following ones


def test_the_interval_is_from_start_to_start_in_its_units() -> None:
    last = utc("2026-05-01T12:00")
    for units, expected in {"secs": "12:00:02", "mins": "12:02", "hrs": "14:00"}.items():
        assert next_start(timing("2026-05-01T12:00:00", 2, units), last) == utc(f"2026-05-01T{expected}")
    assert next_start(timing("2026-05-01T12:00:00", 2, "days"), last) == utc("2026-05-03T12:00")


def test_none_follows_without_an_interval() -> None:
    for value in (None, 0.0, -1.0, float("nan")):
        assert next_start(timing("2026-05-01T12:00:00", value), utc("2026-05-01T12:00")) is None


def test_fractions_of_a_unit_count() -> None:
    assert interval(timing("2026-05-01T12:00:00", 0.5, "mins")) == timedelta(seconds=30)
    half_days = timing("2026-03-07T12:00:00", 0.5, "days", PACIFIC)
    assert walls(half_days, "2026-03-01", 4) == ["03-07 12:00", "03-08 00:00", "03-08 13:00", "03-09 01:00"]
    assert interval(timing("2026-05-01T12:00:00", 1e-9)) is None  # nothing that a clock can tell


# --- when the clocks change

CHANGES = [
    (PACIFIC, "2026-03-06T14:24:00", ["03-06 14:24", "03-07 14:24", "03-08 15:24", "03-09 15:24"]),
    (PACIFIC, "2026-10-30T14:24:00", ["10-30 14:24", "10-31 14:24", "11-01 13:24", "11-02 13:24"]),
    (BERLIN, "2026-03-27T14:24:00", ["03-27 14:24", "03-28 14:24", "03-29 15:24", "03-30 15:24"]),
    (BERLIN, "2026-10-23T14:24:00", ["10-23 14:24", "10-24 14:24", "10-25 13:24", "10-26 13:24"]),
]


@pytest.mark.parametrize(("zone", "start", "in_seconds"), CHANGES)
def test_whole_days_keep_their_wall_time_and_hours_their_length(zone: str, start: str, in_seconds: list[str]) -> None:
    before = "2026-01-01"
    daily = [f"{moment[:5]} 14:24" for moment in in_seconds]
    assert walls(timing(start, 1, "days", zone), before, 4) == daily
    assert walls(timing(start, 24, "hrs", zone), before, 4) == in_seconds
    assert walls(timing(start, 1440, "mins", zone), before, 4) == in_seconds
    assert walls(timing(start, 86_400, "secs", zone), before, 4) == in_seconds
    assert walls(timing(start, 3, "days", zone), before, 2) == [daily[0], daily[3]]


@pytest.mark.parametrize("zone", [PACIFIC, BERLIN])
def test_a_past_start_meets_the_grid_beyond_a_change(zone: str) -> None:
    for start in ("2026-02-01T14:24:00", "2025-12-24T14:24:00"):
        assert walls(timing(start, 1, "days", zone), "2026-07-01", 1) == ["07-01 14:24"]
        in_summer = walls(timing(start, 24, "hrs", zone), "2026-07-01", 1)
        assert in_summer == ["07-01 15:24"]


def test_a_wall_time_that_is_skipped_is_an_hour_later_that_day_only() -> None:
    of = timing("2026-03-07T02:30:00", 1, "days", PACIFIC)
    assert walls(of, "2026-01-01", 3) == ["03-07 02:30", "03-08 03:30", "03-09 02:30"]
    assert first_start(timing("2026-03-08T02:30:00", zone=PACIFIC), utc("2026-01-01")) == utc("2026-03-08T10:30")
    from_the_gap = timing("2026-03-08T02:30:00", 1, "days", PACIFIC)
    assert walls(from_the_gap, "2026-01-01", 2) == ["03-08 03:30", "03-09 02:30"]


def test_a_wall_time_that_comes_twice_is_the_second_one_once() -> None:
    of = timing("2026-10-31T01:30:00", 1, "days", PACIFIC)
    expected = [utc("2026-10-31T08:30"), utc("2026-11-01T09:30"), utc("2026-11-02T09:30")]
    assert starts(of, "2026-01-01", 3) == expected
    between_both = "2026-11-01T08:45"
    assert starts(of, between_both, 1) == [expected[1]]
    assert starts(of, "2026-11-01T09:30", 1) == [expected[2]]


def test_standard_time_is_meant_also_where_winter_is_the_exception() -> None:
    """Irish law has the summer time as the standard one, and the winter's before it."""
    assert first_start(timing("2026-10-25T01:30:00", zone="Europe/Dublin"), utc("2026-01-01")) == utc(
        "2026-10-25T01:30"
    )


def test_a_day_that_a_zone_left_out_is_served_with_the_next_one() -> None:
    of = timing("2011-12-28T10:00:00", 1, "days", "Pacific/Apia")
    assert walls(of, "2011-01-01", 4) == ["12-28 10:00", "12-29 10:00", "12-31 10:00", "01-01 10:00"]


def test_endless_grids_do_not_drift_over_years() -> None:
    daily = timing("2026-02-28T14:24:00", 1, "days", BERLIN, quantity=ENDLESS)
    shown = walls(daily, "2026-01-01", 5 * 365)
    assert {wall[6:] for wall in shown} == {"14:24"}
    assert {after for _, after in pairwise(shown)} == {before for before, _ in pairwise(shown)}
    assert len(set(shown)) == 366  # no day is left out, the 29th of February neither
    ninety = timing("2026-02-28T14:24:00", 0.1, "secs", quantity=ENDLESS)
    assert starts(ninety, "2026-01-01", 36_001)[-1] == utc("2026-02-28T15:24")


# --- as far as time goes


@pytest.mark.parametrize("units", ["secs", "mins", "hrs", "days"])
@pytest.mark.parametrize("value", [1e12, 1e300, float("inf")])
def test_an_interval_beyond_all_time_ends_the_grid(value: float, units: str) -> None:
    of = timing("2026-05-01T12:00:00", value, units)
    assert next_start(of, utc("2026-05-01T12:00")) is None
    assert first_start(of, utc("2026-05-01T12:00:01")) == LATEST


def test_a_grid_ends_where_time_does() -> None:
    for units, value in (("days", 1.0), ("hrs", 24.0)):
        of = timing("9999-12-27T12:00:00", value, units, PACIFIC)
        found = starts(of, "2026-01-01", 3)
        assert found == [utc(f"9999-12-{day}T20:00") for day in (27, 28, 29)]
        assert next_start(of, found[-1]) is None
        assert first_start(of, found[-1]) == LATEST


def test_starts_at_both_ends_of_time() -> None:
    for zone in (PACIFIC, "Asia/Tokyo"):
        assert first_start(timing("9999-12-31T23:59:59", zone=zone), utc("2026-01-01")) >= LATEST - timedelta(hours=9)
        old = timing("0001-01-01T00:00:00", 1, "days", zone)
        assert f"{first_start(old, utc('2026-01-01')).astimezone(ZoneInfo(zone)):%H:%M}" == "00:00"


# --- in general

ZONES = st.sampled_from(
    [
        PACIFIC, BERLIN, "UTC", "Europe/Dublin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia",
        "Pacific/Kwajalein", "Africa/Casablanca", "Asia/Manila", "America/Sitka", "Asia/Kathmandu", "America/Nuuk",
    ]
)  # fmt: skip
MOMENTS = st.datetimes(datetime(1840, 1, 1), datetime(2100, 1, 1))
GRIDS = st.builds(
    Timing,
    start=MOMENTS,
    time_zone=ZONES,
    value=st.one_of(st.integers(1, 1000).map(float), st.floats(0.001, 1000)),
    units=st.sampled_from(["secs", "mins", "hrs", "days"]),
)


@given(GRIDS, MOMENTS)
def test_every_start_is_after_the_one_before_and_none_lies_in_between(of: Timing, now: datetime) -> None:
    moment = now.replace(tzinfo=UTC)
    first = first_start(of, moment)
    assert first >= moment
    second = next_start(of, first)
    assert second is not None
    assert second > first
    # Who looks at any time between two starts is told the second one.
    assert first_start(of, first + timedelta(microseconds=1)) == second
    if second - first > timedelta(microseconds=1):
        assert first_start(of, second - timedelta(microseconds=1)) == second


@given(GRIDS, MOMENTS)
def test_every_start_is_on_the_grid(of: Timing, now: datetime) -> None:
    step = interval(of)
    assert step is not None
    origin = first_start(of, datetime(1, 1, 2, tzinfo=UTC))
    first = first_start(of, now.replace(tzinfo=UTC))
    if of.units == "days" and of.value is not None and of.value.is_integer():
        # But for a wall time that was left out, which comes late.
        shown = first.astimezone(ZoneInfo(of.time_zone)).replace(tzinfo=None)
        late = (shown - of.start) % step
        assert late == timedelta(0) or (late <= timedelta(days=1) and not _exists(shown - late, of.time_zone))
    else:
        assert (first - origin) % step == timedelta(0)


def _exists(wall: datetime, zone: str) -> bool:
    moment = wall.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall


@given(GRIDS, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_later_look_never_finds_an_earlier_start(of: Timing, now: datetime, later: timedelta) -> None:
    moment = now.replace(tzinfo=UTC)
    assert first_start(of, moment) <= first_start(of, moment + later)
