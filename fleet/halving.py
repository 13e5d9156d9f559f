"""Find the bad rows of a batch: a batch that the database refuses is halved until single rows are left."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from missions.errors import MusterError

T = TypeVar("T")


async def halve(
    rows: Sequence[T], write: Callable[[Sequence[T]], Awaitable[None]], refuse: Callable[[T, Exception], None]
) -> None:
    """Write rows in one go; where that fails, write its halves, in order, and hand single bad rows to `refuse`.

    Raises PartUnavailable, as `write` does through store.database: then nothing is wrong with the rows, and the whole
    batch is to be tried again.
    """
    try:
        await write(rows)
    except MusterError:
        raise
    except Exception as error:
        if len(rows) == 1:
            refuse(rows[0], error)
            return
        middle = len(rows) // 2
        await halve(rows[:middle], write, refuse)
        await halve(rows[middle:], write, refuse)
