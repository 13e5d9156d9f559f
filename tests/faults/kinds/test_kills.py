"""A process that does not end in order is found."""

import random
import signal

from faults.kinds.kills import AgentsKilled, disorderly
from faults.stage.crew import PROBING
from faults.stage.stage import Ending


def test_programs_that_end_in_order_are_well() -> None:
    assert disorderly([Ending("missions-1", 0, 4.0), Ending("api", -signal.SIGTERM, 1.0)]) == []


def test_one_that_was_killed_after_its_grace_or_fell_over_is_not() -> None:
    endings = [Ending("relay", -signal.SIGKILL, 30.1), Ending("intake-1", 1, 0.5), Ending("api", -signal.SIGKILL, 30.0)]
    assert [told.split()[0] for told in disorderly(endings)] == ["relay", "intake-1", "api"]


def test_a_program_that_does_not_hear_the_signal_is_not_well() -> None:
    assert disorderly([Ending("missions-1", -signal.SIGTERM, 0.1)])


def test_the_agents_that_are_killed_are_chosen_by_chance_and_those_that_measure_are_among_them() -> None:
    fault = AgentsKilled([["a", "b", "c"], ["d", "e"]])
    chosen = set()
    for seed in range(30):
        fault.missions(random.Random(seed))
        assert fault._parts[0] == PROBING
        chosen |= set(fault._parts[1:])
    assert chosen == {"a", "b", "c", "d", "e"}
