"""Seeded answers of a planner that are not what they should be, each kind with how its mission must end."""

import random
from collections.abc import Iterator

# The modules of kinds are read for what they add to KINDS.
from faults.bad_input.answers import in_bytes, in_time, of_map_servers, of_shape, on_wire
from faults.bad_input.answers.kinds import KINDS, Case, Facts, Making

__all__ = ["cases", "in_bytes", "in_time", "of_map_servers", "of_shape", "on_wire"]


def cases(seed: int, count: int, facts: Facts) -> Iterator[Case]:
    """The same for the same seed, count and facts; each kind occurs as soon as there are as many cases."""
    chance = random.Random(seed)
    names: list[str] = []
    for number in range(1, count + 1):
        if not names:
            names = sorted(KINDS)
            chance.shuffle(names)
        name = names.pop()
        agent = facts.mine[number % len(facts.mine)]
        made = Making(random.Random(f"{seed} {number}"), facts, number, agent)
        yield Case(number, name, agent, KINDS[name](made))
