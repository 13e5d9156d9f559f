"""Who waits for whom in a recipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missions.errors import InvalidInput
from missions.graph import GraphStep, resolve_dependencies, with_all_after
from tests.support.processor_time import processor_seconds


def test_explicit_dependencies_decide() -> None:
    steps = [GraphStep("a", 1), GraphStep("b", 2, []), GraphStep("c", 1, ["b"])]
    assert resolve_dependencies(steps) == {"a": (), "b": (), "c": ("b",)}


def test_step_without_the_key_waits_for_the_next_lower_request_order() -> None:
    steps = [GraphStep("a", 1), GraphStep("b", 1), GraphStep("c", 5), GraphStep("d", 9)]
    assert resolve_dependencies(steps) == {"a": (), "b": (), "c": ("a", "b"), "d": ("c",)}


def test_order_in_the_recipe_does_not_matter() -> None:
    assert resolve_dependencies([GraphStep("late", 2), GraphStep("early", 1)]) == {"late": ("early",), "early": ()}


def test_step_with_neither_key_starts_at_once() -> None:
    assert resolve_dependencies([GraphStep("a", 1), GraphStep("b")]) == {"a": (), "b": ()}


def test_step_with_explicit_dependencies_is_still_waited_for_by_its_order() -> None:
    assert resolve_dependencies([GraphStep("a", 1, []), GraphStep("b", 2)])["b"] == ("a",)


def test_dependency_named_twice_counts_once() -> None:
    assert resolve_dependencies([GraphStep("a"), GraphStep("b", None, ["a", "a"])])["b"] == ("a",)


def test_recipe_may_have_no_steps() -> None:
    assert resolve_dependencies([]) == {}


def test_cycle_is_refused_naming_its_steps() -> None:
    steps = [GraphStep("a", None, ["c"]), GraphStep("b", None, ["a"]), GraphStep("c", None, ["b"]), GraphStep("d")]
    with pytest.raises(InvalidInput, match=r"a → c → b → a|c → b → a → c|b → a → c → b") as refused:
        resolve_dependencies(steps)
    assert refused.value.field in {f"steps.{name}.dependencies" for name in "abc"}
    assert refused.value.remedy


def test_step_that_waits_for_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a → a"):
        resolve_dependencies([GraphStep("a", None, ["a"])])


def test_cycle_through_request_order_is_found() -> None:
    with pytest.raises(InvalidInput, match="wait for each other"):
        resolve_dependencies([GraphStep("a", 1, ["b"]), GraphStep("b", 2)])


def test_unknown_dependency_is_refused_naming_it_and_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="'b' depends on 'x'") as refused:
        resolve_dependencies([GraphStep("a"), GraphStep("b", None, ["x"])])
    assert (refused.value.field, refused.value.value) == ("steps.b.dependencies", "x")
    assert "a, b" in refused.value.remedy


def test_step_name_used_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'a' is used 2 times"):
        resolve_dependencies([GraphStep("a"), GraphStep("a")])


def test_long_chain_does_not_exhaust_the_stack() -> None:
    """Written last to first, so that a walk goes all the way down at once."""
    steps = [GraphStep(f"s{n}", None, [f"s{n - 1}"] if n else []) for n in reversed(range(2000))]
    assert resolve_dependencies(steps)["s1999"] == ("s1998",)


def test_work_grows_no_faster_than_the_recipe() -> None:
    """An API request may hold thousands of steps, and everyone waits while they are checked."""
    steps = [GraphStep(f"s{n}", n) for n in range(1000)]
    assert resolve_dependencies(steps)["s999"] == ("s998",)
    assert processor_seconds(lambda: resolve_dependencies(steps)) < 1, (
        "it was 10 s when each step looked at each other one, twice"
    )


@st.composite
def _recipes(draw: st.DrawFn) -> list[GraphStep]:
    names = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    return [
        GraphStep(
            name,
            draw(st.none() | st.integers(0, 4)),
            draw(st.none() | st.lists(st.sampled_from(names), max_size=3)),
        )
        for name in names
    ]


@given(_recipes())
def test_any_graph_runs_to_its_end_or_is_refused(steps: list[GraphStep]) -> None:
    try:
        waits_for = resolve_dependencies(steps)
    except InvalidInput:  # a circle: all names are known, and none is double
        return
    done: set[str] = set()
    while len(done) < len(steps):
        startable = {name for name, before in waits_for.items() if name not in done and done.issuperset(before)}
        assert startable, "nothing can start and not everything is done"
        done |= startable
    for step in steps:
        if step.dependencies is not None:
            assert set(waits_for[step.name]) == set(step.dependencies)


def test_all_that_wait_for_a_step_directly_or_not_come_with_it() -> None:
    graph = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"], "f": []}
    assert with_all_after(["b"], graph) == {"b", "d", "e"}
    assert with_all_after(["a"], graph) == {"a", "b", "c", "d", "e"}
    assert with_all_after([], graph) == set()
