"""What holds after the abort of every mission, wherever it came."""

from tests.support.platform_stage import FileMission
from tests.support.site import until

FRAME = ["M STARTING", "M STARTED", "M STOPPING ABORTED", "M STOPPED ABORTED"]


async def check_aborted(mission: FileMission, threads: int = 1, *, never_started: bool = False) -> list[str]:
    """Wait for the end, check what follows of every abort, and return the mission's events."""
    shown = await mission.until("canceled")
    statuses = await mission.statuses()
    assert statuses == shown_statuses(never_started), statuses
    assert await mission.run_status() == "CANCELED"
    life = await mission.life()
    begun, ended = life.index("M STOPPING ABORTED"), life.index("M STOPPED ABORTED")
    assert ended == len(life) - 1, life
    assert len([one for one in life if one.startswith("M ")]) == (3 if never_started else 4), life
    stopped = [one for one in life if one.startswith("T") and "STOPPED" in one]
    assert len(stopped) == (0 if never_started else threads), life
    assert not [one for one in life[begun:] if "STARTED" in one], life
    assert shown["waitingReasons"] == []
    assert shown["pause"] == "none"
    await nobodys(mission)
    return life


def shown_statuses(never_started: bool) -> list[str]:
    """The statuses of an aborted mission's work process."""
    begun = ["dispatched", "preparing resources"]
    return [*begun, *([] if never_started else ["executing"]), "canceling", "canceled"]


async def nobodys(mission: FileMission) -> None:
    """Its instruments are free, and this mission's no more."""
    ids = (await mission.read())["agentIds"]

    async def free() -> bool:
        shown = [await mission.site.get(f"/agents/{agent_id}") for agent_id in ids]
        return all(agent["reservedFor"] != mission.id for agent in shown)

    await until(free, 10)
