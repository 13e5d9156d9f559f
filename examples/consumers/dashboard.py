"""What runs now, and what has ended lately: a table in the terminal.

python -m examples.consumers.dashboard --url http://127.0.0.1:8000 --token "$(cat .muster/api-token)"
"""

import asyncio
from collections import Counter, deque
from datetime import datetime

from rich.console import Group
from rich.live import Live
from rich.table import Table

from examples.consumers.command import events_of
from examples.consumers.feed import Event

TYPES = ("task.started", "task.completed", "task.failed", "task.retrying", "task.cancelled")
RECENT = 10
ENDS = {"task.completed": "succeeded", "task.failed": "failed", "task.cancelled": "cancelled"}


class Dashboard:
    """The missions that run, those that wait for another attempt, and how many ended in which way."""

    def __init__(self) -> None:
        self.running: dict[str, Event] = {}
        self.waiting_for_retry: dict[str, Event] = {}
        self.ended: Counter[str] = Counter()
        self.recent: deque[tuple[str, str, str]] = deque(maxlen=RECENT)

    def take(self, event: Event) -> None:
        """Note one event."""
        mission, kind = event["mission_id"], event["type"]
        if kind not in TYPES:
            return
        self.waiting_for_retry.pop(mission, None)
        if kind == "task.started":
            self.running[mission] = event
        elif kind == "task.retrying":
            self.waiting_for_retry[mission] = event
        else:
            started = self.running.pop(mission, None)
            if not event["payload"].get("will_retry", False):
                self.ended[ENDS[kind]] += 1
                # Who cancels need not know the type: its start does.
                known = event["payload"].get("mission_type") or (started or event)["payload"].get("mission_type", "")
                self.recent.appendleft((mission, known, ENDS[kind]))

    def shown(self, now: datetime) -> Group:
        """The tables, as rich prints them."""
        running = Table("mission", "type", "priority", "attempt", "for s", title=f"{len(self.running)} run")
        for mission, event in self.running.items():
            payload = event["payload"]
            seconds = now.timestamp() - payload["started_at"]
            attempt = str(payload["retry_count"] + 1)
            running.add_row(mission, payload["mission_type"], payload["priority"], attempt, f"{seconds:.0f}")
        ends = ", ".join(f"{number} {end}" for end, number in self.ended.items())
        ended = Table("mission", "type", "end", title=ends or "none ended")
        for row in self.recent:
            ended.add_row(*row)
        return Group(running, ended, f"{len(self.waiting_for_retry)} wait for another attempt")


async def main() -> None:
    dashboard = Dashboard()
    with Live(refresh_per_second=2, get_renderable=lambda: dashboard.shown(datetime.now().astimezone())):
        async for event in events_of(__doc__, TYPES):
            dashboard.take(event)


if __name__ == "__main__":
    asyncio.run(main())
