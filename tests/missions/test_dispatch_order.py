"""In which groups results go out, and every order that is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missions.dispatch_order import dispatch_groups
from missions.errors import FailureCode, PlanningFailed


@pytest.mark.parametrize(
    ("count", "order", "groups"),
    [
        (0, None, []),
        (0, [], []),
        (0, [[]], []),
        (3, None, [[0, 1, 2]]),
        (3, [], [[0, 1, 2]]),
        (3, [[0], [2, 1]], [[0], [2, 1]]),
        (3, [[2], [1], [0]], [[2], [1], [0]]),
        (3, [0, [1, 2]], [[0], [1, 2]]),
        (2, [[0], [], [1]], [[0], [1]]),
    ],
)
def test_groups_go_out_as_ordered(count: int, order: object, groups: list[list[int]]) -> None:
    assert dispatch_groups([0] * count, order, step="plan") == groups


@pytest.mark.parametrize("order", [None, []])
@pytest.mark.parametrize(
    ("assignment_orders", "groups"),
    [
        ([1, 2, 2, 3], [[0], [1, 2], [3]]),
        ([3, 1, 2], [[1], [2], [0]]),
        ([7, 40], [[0], [1]]),
        ([2, 0, 3], [[0, 1], [2]]),
    ],
)
def test_assignment_order_groups_lower_ones_first(
    assignment_orders: list[int], order: object, groups: list[list[int]]
) -> None:
    assert dispatch_groups(assignment_orders, order, step="plan") == groups


def test_dispatch_order_wins_over_assignment_order() -> None:
    assert dispatch_groups([1, 2], [[1], [0]], step="plan") == [[1], [0]]


@pytest.mark.parametrize(
    ("count", "order", "says"),
    [
        (2, [[0], [2]], "names index 2, which is out of range"),
        (2, [[0], [-1]], "names index -1, which is out of range"),
        (0, [[0]], "names index 0, which is out of range"),
        (2, [[0, 1], [1]], "names index 1 twice"),
        (3, [[0], [2]], "leaves out index 1"),
        (2, "01", "is '01', not a list"),
        (2, {"0": 1}, "not a list of lists"),
        (2, [["0"], [1]], "holds '0', which is no index"),
        (2, [[0.0], [1]], "holds 0.0, which is no index"),
        (2, [[0], [True]], "holds True, which is no index"),
        (2, [[0], [[1]]], r"holds \[1\], which is no index"),
        (2, [[0], None], "holds None, which is no index"),
        (2, 0, "is 0, not a list"),
        (2, False, "is False, not a list"),
        (2, {}, "is {}, not a list"),
        (2, "", "is '', not a list"),
    ],
)
def test_wrong_order_fails_the_step_naming_it_its_service_and_the_index(count: int, order: object, says: str) -> None:
    with pytest.raises(PlanningFailed, match=says) as refused:
        dispatch_groups([0] * count, order, step="plan", url="http://planner/")
    failure = refused.value.failure
    assert (failure.code, failure.step, failure.url) == (FailureCode.PLANNING_FAILED, "plan", "http://planner/")
    assert "http://planner/" in failure.text
    assert "'plan'" in failure.text
    assert f"{count} results" in failure.text


@given(st.integers(1, 12).flatmap(lambda count: st.tuples(st.permutations(range(count)), st.data())))
def test_any_partition_of_the_results_is_kept_group_by_group(drawn: tuple[list[int], st.DataObject]) -> None:
    order, data = drawn
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=4)))
    edges = [0, *cuts, len(order)]
    groups = [list(order[a:b]) for a, b in pairwise(edges) if b > a]
    assert dispatch_groups([0] * len(order), groups, step="plan") == groups


@given(st.integers(0, 6), st.lists(st.lists(st.integers(-2, 8) | st.booleans() | st.none(), max_size=4), max_size=4))
def test_any_other_order_is_refused_or_names_each_result_once(count: int, order: list[list[int]]) -> None:
    try:
        groups = dispatch_groups([0] * count, order, step="plan")
    except PlanningFailed:
        return
    assert sorted(index for group in groups for index in group) == list(range(count))


@pytest.mark.parametrize("order", ["x" * 100_000, [["x" * 100_000]], [[10**4000]], {"a": ["x"] * 100_000}])
def test_long_order_is_told_in_a_few_words(order: object) -> None:
    with pytest.raises(PlanningFailed, match="dispatch_order") as failed:
        dispatch_groups([0], order, step="plan")
    assert len(failed.value.failure.text) < 300
