"""The threads of a mission file's run: where each stands."""

from datetime import datetime

from sqlalchemy import text

from missions.mission_files.thread_status import ThreadStatus
from store.connection import Connection


async def start(connection: Connection, work_process_id: int) -> None:
    """They start, with their pre sequences."""
    await connection.execute(_START, {"of": work_process_id})


async def any_started(connection: Connection, work_process_id: int) -> bool:
    """Whether they had been started before."""
    return bool(await connection.scalar(_ANY_STARTED, {"of": work_process_id}))


async def show(
    connection: Connection,
    work_process_id: int,
    number: int,
    status: ThreadStatus,
    *,
    command: str = "",
    loop: int | None = None,
) -> None:
    """What a thread does now, unless it has ended.

    `command`: as the file says it; `loop`: None leaves what is there.
    """
    await connection.execute(
        _SHOW,
        {
            "of": work_process_id,
            "number": number,
            "status": status,
            "command": command or None,
            "loop": loop,
        },
    )


async def end(connection: Connection, work_process_id: int, number: int, status: ThreadStatus) -> bool:
    """A thread has ended; False: it had before."""
    return bool(await connection.affected(_END, {"of": work_process_id, "number": number, "status": status}))


async def end_all(connection: Connection, work_process_id: int, status: ThreadStatus) -> list[int]:
    """The threads that had not ended have; returns their numbers."""
    return sorted(await connection.scalars(_END_ALL, {"of": work_process_id, "status": status}))


async def has_ended(connection: Connection, work_process_id: int, number: int) -> bool:
    """Whether a thread has said its last words, or they were said for it."""
    return bool(await connection.scalar(_HAS_ENDED, {"of": work_process_id, "number": number}))


async def note_error(connection: Connection, work_process_id: int, number: int, error: str) -> None:
    """The last command that failed."""
    await connection.execute(_ERROR, {"of": work_process_id, "number": number, "error": error})


async def count_ends(connection: Connection, work_process_id: int) -> tuple[int, int]:
    """How many ended normally, and how many otherwise."""
    done, others = (await connection.execute(_ENDS, {"of": work_process_id})).one()
    return done, others


async def loop_of(connection: Connection, work_process_id: int, number: int) -> int:
    """How many of a thread's sequences have started."""
    loop: int = await connection.scalar(_LOOP, {"of": work_process_id, "number": number})
    return loop


async def plan_start(connection: Connection, work_process_id: int, number: int, start: datetime) -> None:
    """When a timed thread's next sequence starts, in the mission's time; it may have its pre sequence before it."""
    await connection.execute(_PLAN_START, {"of": work_process_id, "number": number, "start": start})


async def end_loop(
    connection: Connection, work_process_id: int, number: int, loop: int, next_start: datetime | None, *, last: bool
) -> bool:
    """A sequence has ended well; False: that was written before. `last`: the thread waits for no other one."""
    values = {"of": work_process_id, "number": number, "loop": loop, "next_start": next_start, "last": last}
    return bool(await connection.affected(_END_LOOP, values))


_ANY_STARTED = text(
    "SELECT EXISTS (SELECT FROM mission_threads WHERE work_process_id = :of AND status <> 'not_started')"
)
_START = text("UPDATE mission_threads SET status = 'preparing' WHERE work_process_id = :of AND status = 'not_started'")
_SHOW = text(
    """
    UPDATE mission_threads SET status = :status, command = CAST(:command AS text), loop = coalesce(:loop, loop),
        next_start_at = CASE WHEN :status <> 'running' THEN next_start_at END
    WHERE work_process_id = :of AND number = :number AND status NOT IN ('done', 'aborted', 'stopped')
    """
)
# A run that continues one before it has its next start from there.
_PLAN_START = text(
    """
    UPDATE mission_threads SET next_start_at = :start
    WHERE work_process_id = :of AND number = :number AND loops_ended = 0
    """
)
_END_LOOP = text(
    """
    UPDATE mission_threads SET status = CASE WHEN :last THEN status ELSE 'waiting' END, command = NULL,
        next_start_at = CAST(:next_start AS timestamptz), loops_ended = :loop
    WHERE work_process_id = :of AND number = :number AND loops_ended < :loop
    """
)
_ENDED = "status IN ('done', 'aborted', 'stopped')"
_SET_ENDED = """
    UPDATE mission_threads SET status = :status, command = NULL, next_start_at = NULL, armed = false, asleep = false
"""
_END = text(f"{_SET_ENDED} WHERE work_process_id = :of AND number = :number AND NOT {_ENDED}")
_END_ALL = text(f"{_SET_ENDED} WHERE work_process_id = :of AND NOT {_ENDED} RETURNING number")
_HAS_ENDED = text(f"SELECT {_ENDED} FROM mission_threads WHERE work_process_id = :of AND number = :number")
_ERROR = text("UPDATE mission_threads SET error = :error WHERE work_process_id = :of AND number = :number")
_ENDS = text(
    """
    SELECT count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE status <> 'done') FROM mission_threads
    WHERE work_process_id = :of
    """
)
_LOOP = text("SELECT loop FROM mission_threads WHERE work_process_id = :of AND number = :number")
