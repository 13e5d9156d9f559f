"""Lines as agents and the tap write them, a second apart."""

from typing import Any

Line = dict[str, Any]


def journal(*lines: Line) -> list[Line]:
    """With a time and an agent where none is given."""
    return [{"at": float(second), "agent": "a", **line} for second, line in enumerate(lines)]


def said(assignment: int, status: str, word: int = 1, **more: Any) -> Line:
    """A report on an assignment."""
    return {
        "what": "says",
        "status": "busy",
        "assignment": assignment,
        "said": status,
        "result": {"word": word},
        **more,
    }


def idle(status: str = "free", **more: Any) -> Line:
    """A state without a word on any assignment."""
    return {"what": "says", "status": status, **more}


def sent(what: str, mission: int, assignment: int | None = None, *, heard: bool = True, **more: Any) -> Line:
    """A message to an agent."""
    return {"what": what, "mission": mission, "assignment": assignment, "heard": heard, **more}
