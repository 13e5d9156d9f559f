"""Errors and traces in a program's log."""

import re

# The engine's library warns so of a step that heard of its mission's end only after that: nothing is wrong.
_CANCELED = re.compile(
    # To the next line that begins with a date, or with the colour of one.
    r"^[^\n]* WARNING temporalio\.activity Completing activity as failed [^\n]*\n(?:(?!\x1b|\d{4}-)[^\n]*\n)*?"
    r"asyncio\.exceptions\.CancelledError: Activity cancelled\n(?:(?!\x1b|\d{4}-)[^\n]*\n)*",
    re.MULTILINE,
)
_WRONG = re.compile(r" (ERROR|CRITICAL) |^Traceback |Exception ignored|never retrieved", re.MULTILINE)


def errors_in(log: str) -> list[str]:
    """Each in a line; not those that tell of nothing wrong."""
    text = _CANCELED.sub("", log)
    return [_line(text, match.start()) for match in _WRONG.finditer(text)]


def _line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    lines = text[start : start + 20_000].split("\n")
    if not lines[0].startswith("Traceback"):
        return lines[0][:600]
    # What was raised comes after what is indented.
    raised = next((line for line in lines[1:] if line and not line.startswith(" ")), "")
    before = text[:start].rstrip("\n").rpartition("\n")[2]
    return f"{before[:600]} … {raised[:600]}"
