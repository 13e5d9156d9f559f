"""How large a number may be: what the engine and PostgreSQL can carry, with much to spare."""

from typing import Annotated

from pydantic import Field

LONGEST = 31_536_000
"""A year in seconds: more than any wait or job takes, and far below where timers overflow."""

MAX_INTEGER = 2**31 - 1
"""The tables' integers have 32 bits."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False, strict=True)]
"""A length of time that somebody chose: a number, not `true`."""


def at_most(limit: float, value: object) -> object:
    """A value that was stored before it had a limit; what is no number stays as it is."""
    return min(value, limit) if isinstance(value, int | float) and not isinstance(value, bool) else value
