"""A recipe's graph of steps: who waits for whom (helyOS's `dependencies` and `request_order`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(
                f"the step name {name!r} is used {names.count(name)} times",
                field="steps.step",
                value=name,
                remedy="give each step of a recipe a name of its own",
            )
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
            resolved[step.name] = _next_lower(step, steps)
    _refuse_cycles(resolved)
    return resolved


def _next_lower(step: GraphStep, steps: Sequence[GraphStep]) -> tuple[str, ...]:
    mine = step.request_order
    if mine is None:
        return ()
    lower = {other.request_order for other in steps if other.request_order is not None and other.request_order < mine}
    if not lower:
        return ()
    return tuple(other.name for other in steps if other.request_order == max(lower))


def _refuse_cycles(dependencies: Mapping[str, tuple[str, ...]]) -> None:
    settled: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise InvalidInput(
                f"the steps wait for each other: {circle}",
                field=f"steps.{name}.dependencies",
                value=list(dependencies[name]),
                remedy="remove one of these dependencies",
            )
        if name not in settled:
            for before in dependencies[name]:
                visit(before, (*path, name))
            settled.add(name)

    for name in dependencies:
        visit(name, ())
