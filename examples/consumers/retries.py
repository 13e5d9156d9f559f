"""Which missions succeed after retries, after how many failures, and how many retry at all.

python -m examples.consumers.retries --token "$(cat .muster/api-token)"     (a line for each end)
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from examples.consumers.command import events_of
from examples.consumers.feed import Event

TYPES = ("task.failed", "task.completed", "task.cancelled")


@dataclass
class TypeRetries:
    """One type of mission."""

    ended: int = 0
    retried: int = 0
    """Of those: missions that needed more than one attempt."""
    succeeded_after: Counter[int] = field(default_factory=Counter)
    """Failures before the success → missions."""
    given_up_after: Counter[int] = field(default_factory=Counter)
    """Failures in all → missions."""
    errors: Counter[str] = field(default_factory=Counter)
    """Why attempts failed."""

    @property
    def retry_rate(self) -> float:
        return self.retried / self.ended if self.ended else 0.0


class RetryAnalysis:
    """Follows each mission from its first failure to its end."""

    def __init__(self) -> None:
        self.by_type: defaultdict[str, TypeRetries] = defaultdict(TypeRetries)
        self.failures: dict[str, tuple[str, int]] = {}
        """Missions that failed and go on: their type, and failures so far."""

    def take(self, event: Event) -> None:
        """Note one event."""
        payload, mission = event["payload"], event["mission_id"]
        if event["type"] not in TYPES:
            return
        if event["type"] == "task.failed" and payload["will_retry"]:
            self.by_type[payload["mission_type"]].errors[payload["error_type"]] += 1
            self.failures[mission] = payload["mission_type"], payload["retry_count"]
        else:
            known = self.failures.pop(mission, None)
            mission_type = payload.get("mission_type") or (known and known[0])
            if mission_type is not None:
                self._ended(self.by_type[mission_type], event, known[1] if known else 0)

    def _ended(self, one: TypeRetries, event: Event, failures: int) -> None:
        one.ended += 1
        one.retried += failures > 0
        if event["type"] == "task.completed" and failures:
            one.succeeded_after[failures] += 1
        elif event["type"] == "task.failed":
            one.errors[event["payload"]["error_type"]] += 1
            one.given_up_after[event["payload"]["retry_count"]] += 1


async def main() -> None:
    analysis = RetryAnalysis()
    async for event in events_of(__doc__, TYPES):
        analysis.take(event)
        for name, one in analysis.by_type.items():
            print(
                f"{name}: {one.retried} of {one.ended} missions retried ({one.retry_rate:.0%}); succeeded after"
                f" {dict(one.succeeded_after)} failures, given up after {dict(one.given_up_after)}; {dict(one.errors)}"
            )


if __name__ == "__main__":
    asyncio.run(main())
