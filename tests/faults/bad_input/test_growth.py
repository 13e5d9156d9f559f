"""What counts as memory that grows."""

from collections.abc import Sequence

import pytest

from faults.bad_input.growth import growth


@pytest.mark.parametrize(
    "megabytes",
    [
        [200.0] * 100,
        [100.0 + 10 * n for n in range(30)] + [400.0] * 70,
        [200.0 + n / 10 for n in range(100)],
        [100.0 * n for n in range(20)],
    ],
    ids=["flat", "warms up", "within a tenth", "too few to judge"],
)
def test_memory_that_is_flat(megabytes: Sequence[float]) -> None:
    assert growth(megabytes) is None


def test_memory_that_grows_by_each_mission() -> None:
    before, after = growth([200.0 + 3 * n for n in range(100)]) or (0.0, 0.0)
    assert after - before > 60


def test_memory_that_grows_only_in_the_end() -> None:
    assert growth([200.0] * 90 + [300.0] * 10) == (200.0, 300.0)
