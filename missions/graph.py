"""A recipe's graph of steps: who waits for whom (helyOS's `dependencies` and `request_order`)."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from missions.errors import InvalidInput


@dataclass(frozen=True)
class GraphStep:
    """What the graph needs of a step. `dependencies` None: the key was not given."""

    name: str
    request_order: int | None = None
    dependencies: Sequence[str] | None = None


# More are not told at once: each takes a look at the whole graph.
_MOST_CYCLES = 10


def resolve_dependencies(steps: Sequence[GraphStep]) -> dict[str, tuple[str, ...]]:
    """Name the steps that each step waits for.

    Explicit dependencies decide; a step without that key waits for all steps of the next lower `request_order`;
    an empty list, or neither key, starts at once. Raises InvalidInput for double names, unknown steps and cycles.
    """
    for problem in graph_problems(steps):
        raise problem
    return _resolved(steps)


def graph_problems(steps: Sequence[GraphStep]) -> list[InvalidInput]:
    """Everything that is wrong with a graph: double names, unknown steps, cycles."""
    names = Counter(step.name for step in steps)
    problems = [
        InvalidInput(
            f"the step name {name!r} is used {count} times",
            field=f"steps.{name}.step",
            value=name,
            remedy="give each step of a recipe a name of its own",
        )
        for name, count in names.items()
        if count > 1
    ]
    known = ", ".join(sorted(names))
    problems += [
        InvalidInput(
            f"step {step.name!r} depends on {wanted!r}, which is no step of this recipe",
            field=f"steps.{step.name}.dependencies",
            value=wanted,
            remedy=f"name one of {known}",
        )
        for step in steps
        for wanted in dict.fromkeys(step.dependencies or ())
        if wanted not in names
    ]
    resolved = _resolved(steps)
    return problems + _cycles({name: [n for n in before if n in names] for name, before in resolved.items()})


def _resolved(steps: Sequence[GraphStep]) -> dict[str, tuple[str, ...]]:
    by_order: dict[int, list[str]] = defaultdict(list)
    for step in steps:
        if step.request_order is not None:
            by_order[step.request_order].append(step.name)
    orders = sorted(by_order)
    resolved: dict[str, tuple[str, ...]] = {}
    for step in steps:
        if step.dependencies is not None:
            resolved[step.name] = tuple(dict.fromkeys(step.dependencies))
        else:
            place = 0 if step.request_order is None else bisect_left(orders, step.request_order)
            resolved[step.name] = tuple(by_order[orders[place - 1]]) if place else ()
    return resolved


def with_all_after(steps: Iterable[str], dependencies: Mapping[str, Sequence[str]]) -> set[str]:
    """These steps, and all that wait for them, directly or not."""
    found = set(steps)
    for step in TopologicalSorter(dependencies).static_order():
        if found.intersection(dependencies[step]):
            found.add(step)
    return found


def _cycles(dependencies: dict[str, list[str]]) -> list[InvalidInput]:
    """One problem for each cycle; cycles that share a step with one that was told are not told."""
    problems: list[InvalidInput] = []
    while len(problems) < _MOST_CYCLES:
        try:
            TopologicalSorter(dependencies).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1][::-1]  # it names them in the order in which they would run
            problems.append(
                InvalidInput(
                    f"the steps wait for each other: {' → '.join(circle)}",
                    field=f"steps.{circle[0]}.dependencies",
                    value=list(dependencies[circle[0]]),
                    remedy="remove one of these dependencies",
                )
            )
            dependencies = dependencies | {name: [] for name in circle}
        else:
            break
    return problems
