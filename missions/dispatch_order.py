"""In which groups a planner's results go out (spec 2, `dispatch_order`; helyOS's `assignment_order`)."""

from collections.abc import Sequence

from missions.errors import Failure, FailureCode, PlanningFailed
from missions.planner_answers import short


def dispatch_groups(
    assignment_orders: Sequence[int], dispatch_order: object, *, step: str, url: str | None = None
) -> list[list[int]]:
    """Split results into groups of indexes, sent one group after the other.

    Without a `dispatch_order` those of the same assignment order (counted from 1; 0: none) are a group, lower ones
    first; those without one go out with the first group. Raises PlanningFailed, naming the step, the service's URL and
    the index, if the order is not a list of lists of indexes, or if an index is out of range, twice, or missing.
    """
    if dispatch_order is None or dispatch_order == []:
        return _by_assignment_order(assignment_orders)
    count = len(assignment_orders)

    source = f" of the service at {url}" if url else ""

    def refuse(problem: str) -> PlanningFailed:
        return PlanningFailed(
            Failure(
                code=FailureCode.PLANNING_FAILED,
                step=step,
                url=url,
                text=f"step {step!r}: the dispatch_order{source} {problem} (the answer has {count} results)",
            )
        )

    if not isinstance(dispatch_order, list):
        raise refuse(f"is {short(dispatch_order)}, not a list of lists of indexes")
    groups: list[list[int]] = []
    seen: set[int] = set()
    for entry in dispatch_order:
        group = entry if isinstance(entry, list) else [entry]
        for index in group:
            if not isinstance(index, int) or isinstance(index, bool):
                raise refuse(f"holds {short(index)}, which is no index")
            if not 0 <= index < count:
                raise refuse(f"names index {short(index)}, which is out of range")
            if index in seen:
                raise refuse(f"names index {index} twice")
            seen.add(index)
        if group:
            groups.append(list(group))
    missing = sorted(set(range(count)) - seen)
    if missing:
        raise refuse(f"leaves out index {missing[0]}")
    return groups


def _by_assignment_order(orders: Sequence[int]) -> list[list[int]]:
    first = min((order for order in orders if order), default=0)
    groups: dict[int, list[int]] = {}
    for index, order in enumerate(orders):
        groups.setdefault(order or first, []).append(index)
    return [groups[order] for order in sorted(groups)]
