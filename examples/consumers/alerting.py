"""Tells a person of missions that failed for good, of those that fail again and again, and of what the rules say.

python -m examples.consumers.alerting --token "$(cat .muster/api-token)"
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from examples.consumers.alert_rules import OverTime, QueueDepth, RetryStorm, Rule, Stall
from examples.consumers.command import events_of
from examples.consumers.feed import Event

TYPES = ("task.*", "work_process.waiting")
LOOK = 1.0
"""Seconds between two looks at the rules, which complain of time that passes."""

Tell = Callable[[str, str], None]
"""(severity, text): where your pager goes."""


@dataclass
class Alerting:
    """Takes events, asks the rules, tells each trouble once, and its end."""

    tell: Tell
    rules: Sequence[Rule] = field(default_factory=lambda: (QueueDepth(), Stall(), OverTime(), RetryStorm()))
    open: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Note one event, and tell of a failure."""
        for rule in self.rules:
            rule.take(event)
        if event["type"] == "task.failed":
            self._failed(event)

    def _failed(self, event: Event) -> None:
        payload = event["payload"]
        what = f"mission {event['mission_id']} ({payload['mission_type']})"
        error = f"{payload['error_type']}: {payload['error']}"
        if not payload["will_retry"]:
            self.tell(event["severity"], f"{what} failed for good after {payload['retry_count']} attempts: {error}")
        elif payload["retry_count"] >= 2:
            self.tell(event["severity"], f"{what} failed {payload['retry_count']} times and goes on: {error}")

    def look(self, now: float) -> None:
        """Ask the rules."""
        complaints = {key: text for rule in self.rules for key, text in rule.complaints(now).items()}
        for key in complaints.keys() - self.open.keys():
            self.tell("WARNING", complaints[key])
        for key in self.open.keys() - complaints.keys():
            self.tell("INFO", f"over: {self.open[key]}")
        self.open = complaints


async def main() -> None:
    alerting = Alerting(lambda severity, text: print(f"{severity}: {text}", flush=True))

    async def look() -> None:
        while True:
            await asyncio.sleep(LOOK)
            alerting.look(time.time())

    looking = asyncio.create_task(look())
    with suppress(KeyboardInterrupt):
        async for event in events_of(__doc__, TYPES):
            alerting.take(event)
    looking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
