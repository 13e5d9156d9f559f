"""All bad input in a row: agents' messages on a stack of their own, API requests and planners' answers on another."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from faults.bad_input import agent_messages, api_requests, planner_answers
from faults.bad_input.ground import ground
from faults.results import Result


@dataclass(frozen=True)
class Volume:
    """How much of each."""

    messages: int
    examples: int
    """Requests of each operation of the API and each phase."""
    phases: Sequence[str]
    """Of schemathesis."""
    missions: int
    """With an odd answer of their planner."""
    side_by_side: bool = False
    """The two stacks at once: most of a short run is their start."""


LONG = Volume(1_000_000, 50, api_requests.PHASES, 3_000)
SHORT = Volume(6_000, 3, ("examples", "fuzzing"), 150, side_by_side=True)


async def bad_input(
    volume: Volume, seed: int, *, only: Sequence[str] = (), report: Callable[[str], None] = lambda said: None
) -> list[Result]:
    """A result for each; `only`: those with one of these words in their names."""

    def wanted(name: str) -> bool:
        return not only or any(word in name for word in only)

    async def of_agents() -> list[Result]:
        if not wanted(agent_messages.FAULT):
            return []
        report(f"{agent_messages.FAULT}: {volume.messages}")
        return [await agent_messages.agent_messages(count=volume.messages, seed=seed)]

    async def of_others() -> list[Result]:
        of_planners, of_api, results = wanted(planner_answers.FAULT), wanted(api_requests.FAULT), []
        if not (of_planners or of_api):
            return []
        async with ground(**planner_answers.SETTINGS) as made:
            if of_planners:
                report(f"{planner_answers.FAULT}: {volume.missions} missions")
                results.append(await planner_answers.planner_answers(made, seed, volume.missions))
            if of_api:
                report(f"{api_requests.FAULT}: {volume.examples} examples of each operation")
                results.append(await api_requests.api_requests(made, seed, volume.examples, volume.phases))
        return results

    if volume.side_by_side:
        of_both = await asyncio.gather(of_agents(), of_others())
        return [*of_both[0], *of_both[1]]
    return [*await of_agents(), *await of_others()]
