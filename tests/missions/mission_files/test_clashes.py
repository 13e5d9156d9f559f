from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from missions.mission_files.clashes import Windows, first_overlap

ONE_WINDOW = st.builds(Windows, st.integers(-40, 40), st.integers(0, 9).map(Fraction))
SEVERAL = st.builds(
    Windows,
    st.integers(-40, 40),
    st.integers(0, 9).map(Fraction),
    st.fractions(Fraction(1, 3), 9, max_denominator=3),
    st.integers(1, 9),
)
FOR_EVER = SEVERAL.map(Windows.endless)


def starts(windows: Windows) -> list[Fraction]:
    # Long enough for two grids of thirds below 9 to meet if they ever do.
    count = 300 if windows.count is None else windows.count
    return [windows.start + number * (windows.interval or 0) for number in range(count)]


def by_looking(one: Windows, other: Windows) -> Fraction | None:
    ones = starts(one)
    for begin in starts(other):
        if any(begin <= start + one.length and start <= begin + other.length for start in ones):
            return begin
    return None


@given(ONE_WINDOW | SEVERAL | FOR_EVER, ONE_WINDOW | SEVERAL)
@settings(max_examples=60, deadline=None)
def test_the_first_overlap_is_the_one_that_looking_finds(one: Windows, other: Windows) -> None:
    assert first_overlap(one, other) == by_looking(one, other)


@given(FOR_EVER, FOR_EVER)
@settings(max_examples=15, deadline=None)
def test_two_grids_without_end(one: Windows, other: Windows) -> None:
    found = first_overlap(one, other)
    assert (found is None) == (by_looking(one, other) is None)


def test_it_takes_no_longer_for_a_billion_windows() -> None:
    day = Windows(0, Fraction(10), Fraction(86_400), 10**9)
    odd = Windows(1_000, Fraction(10), Fraction("86_400.001"), 10**9)
    assert first_overlap(day, odd) is not None
    assert first_overlap(day, Windows(1_000, Fraction(10), Fraction(86_400), 10**9)) is None
