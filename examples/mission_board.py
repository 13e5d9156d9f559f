"""A table of mission threads, as the API shows them."""

from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

_STYLES = {"done": "green", "running": "cyan", "preparing": "cyan", "closing": "cyan", "aborted": "red"}


def board(missions: list[dict[str, Any]], title: str) -> Table:
    """One row for each thread of these missions."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False)
    for name in ("mission", "thread", "status", "loop", "command", "next start"):
        table.add_column(name, no_wrap=True)
    for mission in missions:
        for thread in mission["threads"]:
            first = thread["number"] == 0
            style = _STYLES.get(thread["status"], "default")
            table.add_row(
                f"{mission['missionId']}\n[dim]{mission['status']}[/dim]" if first else "",
                f"{thread['number']} {', '.join(thread['instruments'])}".replace("PRE:", ""),
                f"[{style}]{thread['status']}[/{style}]",
                loop_of(thread),
                short(thread["command"]) if thread["command"] else thread["error"] or "",
                next_start(thread),
            )
        table.add_section()
    return table


def loop_of(thread: dict[str, Any]) -> str:
    """Which loop of how many."""
    return f"{thread['loop']}" if thread["loops"] is None else f"{thread['loop']} of {thread['loops']}"


def short(command: str) -> str:
    """A command without its device and method: `START_AUTOSAMPLE`, `INTERVAL{1}`, `wait(10)`."""
    call = command.rpartition(", ")[2]
    return call if call.startswith("wait") else call.partition("(")[2].removesuffix(")")


def next_start(thread: dict[str, Any]) -> str:
    """When it starts next, in the mission's time, or at which event."""
    if thread["status"] in ("done", "aborted", "stopped"):
        return ""
    if thread["nextStartAt"]:
        return f"{datetime.fromisoformat(thread['nextStartAt']):%d %b %H:%M}"
    return f"at {thread['waitsFor'].partition(' ')[0]}" if thread["waitsFor"] else ""
