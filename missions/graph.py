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


def resolve_dependencies(steps: Sequence[GraphStep]) -> dict[str, tuple[str, ...]]:
    """Name the steps that each step waits for.

    Explicit dependencies decide; a step without that key waits for all steps of the next lower `request_order`;
    an empty list, or neither key, starts at once. Raises InvalidInput for double names, unknown steps and cycles.
    """
    names = Counter(step.name for step in steps)
    for name, count in names.items():
        if count > 1:
            raise InvalidInput(
                f"the step name {name!r} is used {count} times",
                field="steps.step",
                value=name,
                remedy="give each step of a recipe a name of its own",
            )
    by_order: dict[int, list[str]] = defaultdict(list)
    for step in steps:
        if step.request_order is not None:
            by_order[step.request_order].append(step.name)
    orders = sorted(by_order)
    resolved: dict[str, tuple[str, ...]] = {}
    for step in steps:
        if step.dependencies is not None:
            for wanted in step.dependencies:
                if wanted not in names:
                    raise InvalidInput(
                        f"step {step.name!r} depends on {wanted!r}, which is no step of this recipe",
                        field=f"steps.{step.name}.dependencies",
                        value=wanted,
                        remedy=f"name one of {', '.join(sorted(names))}",
                    )
            resolved[step.name] = tuple(dict.fromkeys(step.dependencies))
        else:
            place = 0 if step.request_order is None else bisect_left(orders, step.request_order)
            resolved[step.name] = tuple(by_order[orders[place - 1]]) if place else ()
    _refuse_cycles(resolved)
    return resolved


def with_all_after(steps: Iterable[str], dependencies: Mapping[str, Sequence[str]]) -> set[str]:
    """These steps, and all that wait for them, directly or not."""
    found = set(steps)
    for step in TopologicalSorter(dependencies).static_order():
        if found.intersection(dependencies[step]):
            found.add(step)
    return found


def _refuse_cycles(dependencies: Mapping[str, tuple[str, ...]]) -> None:
    try:
        TopologicalSorter(dependencies).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]  # it names them in the order in which they would run
        raise InvalidInput(
            f"the steps wait for each other: {' → '.join(circle)}",
            field=f"steps.{circle[0]}.dependencies",
            value=list(dependencies[circle[0]]),
            remedy="remove one of these dependencies",
        ) from None
