"""When something that failed is tried again."""


def pause_before(attempt: int, *, first: float, longest: float) -> float:
    """Seconds to wait before a try: `first` before the second, then twice as long each time."""
    return min(first * 2.0 ** min(attempt, 30), longest)
