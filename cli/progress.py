"""What a starting stack shows: a line per part that fills in, or plain lines where nobody watches a terminal."""

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class Progress:
    """Call it with a part's label and its state; use it as a context manager around the start and the stop."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        self._began = time.monotonic()
        self._states: dict[str, tuple[str, float]] = {}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8)

    def __call__(self, part: str, state: str) -> None:
        """Take note of what a part does."""
        self._states[part] = (state, time.monotonic())
        if not self._console.is_terminal:
            self._console.print(f"{part}: {state}", highlight=False, soft_wrap=True)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def _table(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for part, (state, since) in self._states.items():
            busy = state.startswith(("starting", "stopping"))
            mark = Spinner("dots") if busy else Text("✓", style="green")
            waiting = f" {time.monotonic() - since:.0f} s" if busy and time.monotonic() - since >= 1 else ""
            table.add_row(mark, part, Text(f"{state}{waiting}", style="dim"))
        return Group(Text(self._title, style="bold"), table)
