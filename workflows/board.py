"""The small live board that operators see in the Temporal UI as a run's current details."""

from temporalio import workflow

from missions.statuses import WorkProcessStatus


class Board:
    """Status, why it waits, steps and assignments; costs no history."""

    def __init__(self, steps: list[str]) -> None:
        self._status = WorkProcessStatus.DISPATCHED
        self._waiting = ""
        self._pause = ""
        self._unknown = ""
        self._attempt = ""
        self._steps = dict.fromkeys(steps, "waiting")

    def begin_attempt(self, words: str, steps: list[str]) -> None:
        """Another attempt, which waits for its time."""
        self._attempt = words
        self._steps = dict.fromkeys(steps, "waiting")
        self.status(WorkProcessStatus.DISPATCHED)

    def status(self, status: WorkProcessStatus, waiting: str = "") -> None:
        """Where the mission stands, and what it waits for."""
        self._status, self._waiting = status, waiting
        self._show()

    def pause(self, text: str) -> None:
        """Whether somebody paused it; empty: nobody."""
        self._pause = text
        self._show()

    def unknown_signal(self, name: str) -> None:
        """Somebody sent a signal that does nothing."""
        self._unknown = f"the signal `{name[:100]}` is not known and did nothing; `cancel` and `halt` are"
        self._show()

    def step(self, name: str, text: str) -> None:
        """Where a step stands."""
        self._steps[name] = text
        self._show()

    def _show(self) -> None:
        lines = [f"**{self._status}**"]
        if self._attempt:
            lines.append(self._attempt)
        if self._pause:
            lines.append(self._pause)
        if self._waiting:
            lines.append(f"waits: {self._waiting}")
        if self._unknown:
            lines.append(self._unknown)
        lines += [f"- `{name}`: {text}" for name, text in self._steps.items()]
        workflow.set_current_details("\n\n".join(lines))
