import math

import pytest

from benchmarks.figures import GATE, Figure, Load, Ratio, Spread, is_met, quantile, together


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 3.0), (0.95, 5.0), (0.2, 1.0), (0.21, 2.0), (1.0, 5.0), (0.0, 1.0)]
)
def test_a_quantile_is_a_sample_by_nearest_rank(share: float, expected: float) -> None:
    assert quantile([5.0, 1.0, 4.0, 2.0, 3.0], share) == expected


def test_no_samples_have_no_quantile() -> None:
    assert math.isnan(quantile([], 0.5))


def test_rounds_together_weigh_by_their_time() -> None:
    # The mean of the two rates would be 11.
    assert together([Load(20, 1.0), Load(18, 9.0)]).rate == pytest.approx(3.8)


def test_the_ratio_pairs_rounds_and_compares_the_totals() -> None:
    ratio = Ratio.of([Load(10, 1.0), Load(20, 4.0)], [Load(20, 1.0), Load(20, 1.0)])
    assert ratio.overall == pytest.approx(6.0 / 20.0)
    assert ratio.rounds == Spread(0.25, 0.375, 0.5)


def test_a_round_without_its_pair_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Ratio.of([Load(1, 1.0), Load(1, 1.0)], [Load(1, 1.0)])


def test_the_gate_goes_by_the_median_round() -> None:
    bare = [Load(100, 10.0)] * 3
    assert Ratio.of([Load(55, 10.0), Load(55, 10.0), Load(10, 10.0)], bare).passes
    assert not Ratio.of([Load(45, 10.0), Load(45, 10.0), Load(100, 10.0)], bare).passes


@pytest.mark.parametrize(("ended", "passes"), [(499, False), (500, True)])
def test_the_gate_includes_its_bound(ended: int, passes: bool) -> None:
    assert GATE == 0.5
    assert Ratio.of([Load(ended, 10.0)], [Load(1000, 10.0)]).passes is passes


@pytest.mark.parametrize(
    ("figure", "value", "met"),
    [
        (Figure.SUBMIT_TO_ASSIGNMENT, 99.9, True),
        (Figure.SUBMIT_TO_ASSIGNMENT, 100.0, False),
        (Figure.MISSIONS, 12.0, True),
        (Figure.MISSIONS, 11.9, False),
        (Figure.BARE_RATE, 1.0, None),
    ],
)
def test_goals(figure: Figure, value: float, met: bool | None) -> None:
    assert is_met(figure, value) is met
