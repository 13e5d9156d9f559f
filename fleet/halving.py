"""Find the bad rows of a batch: a batch that the database refuses is halved until single rows are left."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from missions.errors import MusterError, PartUnavailable

T = TypeVar("T")

# Classes of SQLSTATE that say nothing against the rows: connection, resources, serialization and deadlock, shutdown.
_PASSING = ("08", "40", "53", "55", "57")


async def halve(
    rows: Sequence[T], write: Callable[[Sequence[T]], Awaitable[None]], refuse: Callable[[T, Exception], None]
) -> None:
    """Write rows in one go; where that fails, write its halves, in order, and hand single bad rows to `refuse`.

    Raises PartUnavailable: then nothing is wrong with the rows, and the whole batch is to be tried again.
    """
    try:
        await write(rows)
    except MusterError:
        raise
    except Exception as error:
        if isinstance(error, DBAPIError) and str(getattr(error.orig, "sqlstate", None))[:2] in _PASSING:
            raise PartUnavailable("PostgreSQL", str(error.orig)) from error
        if len(rows) == 1:
            refuse(rows[0], error)
            return
        middle = len(rows) // 2
        await halve(rows[:middle], write, refuse)
        await halve(rows[middle:], write, refuse)
