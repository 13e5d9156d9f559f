"""The order of the waiting line: the static key orders as the growing score does."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missions.priorities import AGEING, Priority, score, score_key, temporal_key

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(20))
def test_key_orders_as_the_score_at_any_moment(seed: int) -> None:
    chance = random.Random(seed)
    requests = [
        (chance.choice(list(Priority)), START + timedelta(milliseconds=chance.randrange(5_000_000))) for _ in range(100)
    ]
    by_key = sorted(requests, key=lambda request: score_key(*request))
    for _ in range(5):
        now = START + timedelta(seconds=chance.uniform(5_000, 500_000))
        scores = [score(*request, now) for request in by_key]
        # A millisecond's score is 1.7e-5: far above what floats lose here.
        assert all(first >= second - 1e-9 for first, second in itertools.pairwise(scores))


def test_one_point_of_priority_is_worth_a_minute_of_waiting() -> None:
    assert score(20, START, START + timedelta(minutes=10)) == 30
    assert score_key(30, START + timedelta(minutes=10)) == score_key(20, START)


def test_low_overtakes_critical_after_half_an_hour() -> None:
    low = score_key(Priority.LOW, START)
    assert low > score_key(Priority.CRITICAL, START + timedelta(minutes=29))
    assert low < score_key(Priority.CRITICAL, START + timedelta(minutes=31))


PRIORITIES = st.sampled_from(list(Priority))
LATER = st.timedeltas(timedelta(0), timedelta(hours=2))


@given(PRIORITIES, st.lists(st.tuples(PRIORITIES, LATER), max_size=30))
def test_only_those_that_come_within_the_difference_of_priorities_overtake(
    mine: Priority, others: list[tuple[Priority, timedelta]]
) -> None:
    my_key = score_key(mine, START)
    for priority, later in others:
        overtakes = score_key(priority, START + later) < my_key
        assert overtakes == (later < (priority - mine) * AGEING)


@given(PRIORITIES, st.integers(1, 4), PRIORITIES)
def test_the_wait_is_bounded_under_any_steady_load(mine: Priority, a_minute: int, load: Priority) -> None:
    """A simulated clock: in each minute so many come as are served, and the line never gets shorter."""
    line = [(score_key(mine, START), "mine")]
    minutes = 0
    while True:
        now = START + timedelta(minutes=minutes)
        line += [(score_key(load, now + timedelta(seconds=1)), "load")] * a_minute
        line.sort()
        served, line = line[:a_minute], line[a_minute:]
        if any(who == "mine" for _, who in served):
            break
        minutes += 1
    assert minutes <= max(0, load - mine)


def test_the_engine_serves_critical_first() -> None:
    assert [temporal_key(priority) for priority in Priority] == [4, 3, 2, 1]
    assert temporal_key(37) in range(1, 6)


@pytest.mark.parametrize("value", ["HIGH", "high", "30", 30])
def test_priority_is_read_from_name_or_number(value: str | int) -> None:
    assert Priority.read(value) is Priority.HIGH


@pytest.mark.parametrize("value", ["urgent", "", "35", 0, -10, "²", 30.5, True, None, []])
def test_other_priority_is_refused_naming_the_four(value: object) -> None:
    with pytest.raises(ValueError, match=r"LOW \(10\), NORMAL \(20\), HIGH \(30\), CRITICAL \(40\)"):
        Priority.read(value)
