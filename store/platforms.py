"""Platforms: their states, which their missions and their commands change.

A platform is an agent; its state is Muster's own, in a row that is made when it is first asked for. That row is locked
after work processes and before agents.
"""

from dataclasses import dataclass

from sqlalchemy import text

from missions.errors import Conflict, NotFound
from missions.event_catalogue import event
from missions.event_payloads.agent import AgentPlatformStateChanged
from missions.mission_files.platform_states import (
    IN_MISSION,
    STEPS,
    TAKEN_ALWAYS,
    PlatformCommand,
    PlatformState,
    accepted,
    in_mission,
)
from missions.principals import Principal
from store import events
from store.connection import Connection
from store.tables import MISSION_NOT_ENDED


@dataclass(frozen=True)
class Platform:
    """A platform's row. `saved_state`: to return to when its last mission ends.

    `under_way`: the work process of a command that is to change its state, and waits for its instruments.
    """

    id: int
    uuid: str
    yard_id: int | None
    yard_uid: str | None
    state: PlatformState
    saved_state: PlatformState | None
    under_way: int | None


async def lock(connection: Connection, platform_id: int) -> Platform:
    """Lock a platform and read it; raises NotFound."""
    await connection.execute(_MAKE, {"id": platform_id})
    await connection.execute(_LOCK, {"id": platform_id})
    row = (await connection.execute(_READ, {"id": platform_id})).one_or_none()
    if row is None:
        raise NotFound(
            f"agent {platform_id} is no platform",
            field="id",
            value=platform_id,
            remedy="list the platforms (GET /api/v1/platforms) and use one of them",
        )
    saved = None if row.saved_state is None else PlatformState(row.saved_state)
    state_now = PlatformState(row.state)
    return Platform(row.id, row.uuid, row.yard_id, row.yard_uid, state_now, saved, row.under_way)


async def state(connection: Connection, platform_id: int) -> PlatformState:
    """The state of a platform as it is now, without a lock."""
    found = await connection.scalar(_STATE, {"id": platform_id})
    return PlatformState(found or PlatformState.UNINITIALIZED)


async def enter_mission(
    connection: Connection, platform_id: int, *, cause: str, source: str, principal: Principal
) -> PlatformState:
    """Go to the state of running missions, unless it is there; returns it. Raises NotFound, Conflict.

    In the transaction that writes the run's row.
    """
    platform = await lock(connection, platform_id)
    refuse_unfit(platform, PlatformCommand.RUN_MISSION)
    wanted = in_mission(platform.state)
    assert wanted is not None, "a state that takes RUN_MISSION"
    saved = platform.state
    await set_state(connection, platform, wanted, saved=saved, cause=cause, source=source, principal=principal)
    return wanted


async def leave_mission(
    connection: Connection, platform_id: int, *, cause: str, source: str, principal: Principal
) -> None:
    """Return to the state before the first mission, unless another one runs. The caller's is not `running` any more."""
    platform = await lock(connection, platform_id)
    if platform.state not in IN_MISSION or await connection.scalar(_RUNS, {"id": platform_id}):
        return
    assert platform.saved_state is not None
    await set_state(connection, platform, platform.saved_state, cause=cause, source=source, principal=principal)


async def set_state(
    connection: Connection,
    platform: Platform,
    to: PlatformState,
    *,
    saved: PlatformState | None = None,
    cause: str,
    source: str,
    principal: Principal,
) -> None:
    """Write the state of a locked platform, with an event if it is another one. `cause`: why, in words."""
    if to == platform.state:
        return
    await connection.execute(_WRITE, {"id": platform.id, "state": to, "saved": saved})
    changed = AgentPlatformStateChanged(
        agent_id=platform.id, agent_uuid=platform.uuid, from_=platform.state, to=to, cause=cause
    )
    await events.append(connection, [event(changed, source=source, actor=principal)])


async def note_command(connection: Connection, platform_id: int, work_process_id: int) -> None:
    """Note the command that is to change a locked platform's state from now on."""
    await connection.execute(_NOTE_COMMAND, {"id": platform_id, "of": work_process_id})


def refuse_unfit(platform: Platform, command: PlatformCommand) -> None:
    """Raise Conflict for a command that the platform does not take now."""
    if platform.state not in STEPS[command].sources:
        takes = ", ".join(accepted(platform.state))
        raise Conflict(
            f"platform {platform.uuid!r} is {platform.state}, where it takes no {command}; it takes {takes}",
            field="command",
            value=command,
            remedy="send one of the commands that it takes, until it is in a state that fits",
        )
    if platform.under_way is not None and command not in TAKEN_ALWAYS:
        raise Conflict(
            f"platform {platform.uuid!r} is still on its way to another state",
            field="command",
            value=command,
            remedy=f"wait until work process {platform.under_way} has ended, or cancel it",
        )


_MAKE = text(
    """
    INSERT INTO platforms (agent_id) SELECT id FROM agents WHERE id = :id AND agent_class = 'platform'
    ON CONFLICT DO NOTHING
    """
)
_LOCK = text("SELECT FROM platforms WHERE agent_id = :id FOR UPDATE")
# After the lock, and in a statement of its own: so it sees what whoever held it has written.
_READ = text(
    f"""
    SELECT agents.id, agents.uuid, agents.yard_id, yards.uid AS yard_uid, platforms.state, platforms.saved_state,
        command.id AS under_way
    FROM platforms JOIN agents ON agents.id = platforms.agent_id
    LEFT JOIN yards ON yards.id = agents.yard_id
    LEFT JOIN work_processes AS command ON command.id = platforms.command_id AND command.{MISSION_NOT_ENDED}
    WHERE platforms.agent_id = :id AND agents.agent_class = 'platform'
    """
)
_STATE = text("SELECT state FROM platforms WHERE agent_id = :id")
_WRITE = text(
    "UPDATE platforms SET state = :state, saved_state = CAST(:saved AS text), changed_at = now() WHERE agent_id = :id"
)
_NOTE_COMMAND = text("UPDATE platforms SET command_id = :of WHERE agent_id = :id")
_RUNS = text("SELECT EXISTS (SELECT FROM mission_files WHERE platform_id = :id AND running)")
