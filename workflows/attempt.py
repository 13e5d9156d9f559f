"""What belongs to one attempt of a mission, and is new with each."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import StepPlan
    from missions.errors import Failure


class Attempt:
    """One attempt's state in the mission's workflow. Signals only write to it; waits look at it."""

    def __init__(self, number: int, steps: list[StepPlan], start_at: str | None, waits: str = "") -> None:
        self.number = number
        self.steps = steps
        self.start_at = start_at
        """Not before: ISO 8601."""
        self.waits = waits
        """Why it was needed, if it is not the first."""
        self.failure: Failure | None = None
        self.granted = False
        self.ready_rounds: set[int] = set()
        """Reservations (also of single substitutes) whose agents are ready."""
        self.ended: dict[int, str] = {}
        """The agents' last word, by assignment."""
        self.reported: set[int] = set()
        """Assignments of unknown outcome that their agents do have."""
        self.doubted: dict[int, float] = {}
        """Assignments of unknown outcome, and since when (by the agents' clock)."""
        self.listening: set[int] = set()
        """Assignments that came back, and whose agents may listen now."""
        self.tolerated: set[int] = set()
        """Assignments that failed, or were canceled with one that did, and let the mission go on."""
        self.released: list[int] = []
        """Agents that get nothing more of this attempt: what is planned for them is canceled."""
        self.replaced: dict[int, int] = {}
        """Silent agents, and who gets what is planned for them."""
        self.told: dict[int, bool] = {}
        """Instant actions that went out (True) or came back (False)."""
        self.cancels_wished: set[int] = set()
        """Assignments that a client cancelled alone."""
        self.silent: dict[int, str] = {}
        """Assignments whose agents are silent for too long now, and what to say of them."""
        self.searching: set[int] = set()
        """Those of them for which no other agent was free, until one is."""
        self.executing = False
        """Whether agents are, or were, at work."""
        self.sending = 0
        """How many groups are being sent just now."""
        self.settling = False
        """Whether a failed assignment is being settled just now."""

    def replace(self, silent: int, substitute: int) -> None:
        """Let `substitute` get what is planned for the silent agent, and for those in whose place that one stood."""
        self.replaced = {one: substitute if by == silent else by for one, by in self.replaced.items()}
        self.replaced[silent] = substitute
        # It may have been one of the mission's agents before.
        self.replaced.pop(substitute, None)
        if substitute in self.released:
            self.released.remove(substitute)
