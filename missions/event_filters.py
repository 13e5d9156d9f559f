"""Which events somebody wants: exact types (`task.failed`) or families (`task.*`)."""

from difflib import get_close_matches

from missions.events import EventType

FAMILIES = tuple(dict.fromkeys(f"{kind.partition('.')[0]}.*" for kind in EventType))


def known_type(word: str) -> str:
    """The word, if it is a type of event or a family; raises ValueError that names near ones."""
    known = [*EventType, *FAMILIES]
    if word in known:
        return word
    near = get_close_matches(word, known, n=3, cutoff=0.5) or FAMILIES
    raise ValueError(f"{word!r} is no type of event; use one of these, or leave it out for all: {', '.join(near)}")
