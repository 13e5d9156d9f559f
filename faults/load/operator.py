"""The operator: cancels what Muster says that only a person can settle, and notes it."""

from faults.load.client import Client
from faults.load.watch import Watch

# An agent that died with its assignment, or never got it: nothing goes on by itself, as the outcome is unknown.
SETTLED_BY_CANCEL = ("agent_restarted", "assignment_not_started", "assignment_unconfirmed")
LOOKS_EVERY = 1.0
"""Seconds."""


class Operator:
    """Someone who reads the missions' attention and acts on it."""

    def __init__(self, client: Client, watch: Watch) -> None:
        self._client, self._watch = client, watch
        self.settled: dict[int, str] = {}
        """Mission → why it was cancelled, in Muster's own words."""

    async def look(self) -> None:
        """Once. Raises RuntimeError for a cancel that is refused, other than as too late."""
        for trouble in self._watch.troubles:
            if trouble.code in SETTLED_BY_CANCEL and trouble.mission not in self.settled:
                self.settled[trouble.mission] = f"{trouble.code}: {trouble.text}"
                body = {"reason": f"operator: {trouble.code}"}
                await self._client.post(f"/work-processes/{trouble.mission}/cancel", body, fine=(409,))
