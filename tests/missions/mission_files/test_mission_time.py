"""A mission's time, which may go faster than the clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from missions.mission_files.mission_time import LATEST, MissionTime

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_ordinary_time_is_the_clocks(moment: datetime) -> None:
    ordinary = MissionTime(BEGAN, BEGAN, 1)
    assert ordinary.at(moment) == ordinary.real(moment) == moment


def test_scaled_time_goes_on_from_its_anchor() -> None:
    fast = MissionTime(BEGAN, datetime(2014, 7, 18, tzinfo=UTC), 60)
    assert fast.at(BEGAN) == datetime(2014, 7, 18, tzinfo=UTC)
    assert fast.at(BEGAN + timedelta(seconds=1)) == datetime(2014, 7, 18, 0, 1, tzinfo=UTC)
    assert fast.real(datetime(2014, 7, 18, 1, tzinfo=UTC)) == BEGAN + timedelta(minutes=1)
    assert fast.real(datetime(2014, 7, 17, 23, tzinfo=UTC)) == BEGAN - timedelta(minutes=1)


@given(MOMENTS, MOMENTS, st.floats(0.01, 10_000))
def test_both_ways_are_inverse(moment: datetime, anchor: datetime, scale: float) -> None:
    there = MissionTime(BEGAN, anchor, scale)
    real = there.real(moment)
    if real < LATEST:
        assert abs(there.at(real) - moment) <= timedelta(microseconds=1 + scale)


def test_what_lies_beyond_all_time_is_the_latest_moment() -> None:
    for scale in (1e-9, 0.5, 1.0):
        assert MissionTime(BEGAN, BEGAN, scale).real(LATEST) == LATEST
    for scale in (1e3, 1e30):
        assert MissionTime(BEGAN, BEGAN, scale).at(datetime(9000, 1, 1, tzinfo=UTC)) == LATEST
