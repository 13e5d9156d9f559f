"""What a mission's run is started with: made at its dispatch, and made again from its rows if the run is lost."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from missions.contracts import StepPlan, TaskQueues, WorkProcessStart
from missions.mission_files.contracts import MissionFileStart
from missions.mission_files.platform_contracts import PlatformCommandStart
from missions.recipes import MissionOptions
from settings import Settings
from store.work_process_status import LockedWorkProcess


def of_mission(
    work_process: LockedWorkProcess,
    steps: list[StepPlan],
    *,
    installation: str,
    settings: Settings,
    options: MissionOptions,
    max_retries: int,
) -> WorkProcessStart:
    """Of a mission by a recipe."""
    return WorkProcessStart(
        **_of_all(work_process, installation, settings, options),
        start_at=None if work_process.sched_start_at is None else work_process.sched_start_at.isoformat(),
        reserves=work_process.wait_free_agent and not work_process.without_agents,
        takes_slot=work_process.without_agents,
        steps=steps,
        mission_queue_id=work_process.mission_queue_id,
        max_retries=max_retries,
    )


def of_file(
    work_process: LockedWorkProcess,
    *,
    plan_id: str,
    threads: int,
    time_scale: float,
    installation: str,
    settings: Settings,
    options: MissionOptions,
) -> MissionFileStart:
    """Of a mission file's run."""
    return MissionFileStart(
        **_of_all(work_process, installation, settings, options),
        steps=[],
        plan_id=plan_id,
        threads=threads,
        retry_pause=settings.command_retry_interval,
        command_timeout=settings.command_timeout,
        inactive_timeout=settings.inactive_timeout,
        time_scale=time_scale,
    )


def of_command(
    work_process: LockedWorkProcess,
    *,
    platform_id: int,
    platform: str,
    command: str,
    name: str,
    values: Sequence[JsonValue],
    installation: str,
    settings: Settings,
    options: MissionOptions,
) -> PlatformCommandStart:
    """Of a platform's command; `platform`: its uuid."""
    return PlatformCommandStart(
        **_of_all(work_process, installation, settings, options),
        reserves=work_process.wait_free_agent,
        steps=[],
        platform_id=platform_id,
        platform=platform,
        command=command,
        name=name,
        values=list(values),
        command_timeout=settings.command_timeout,
    )


def _of_all(
    work_process: LockedWorkProcess, installation: str, settings: Settings, options: MissionOptions
) -> dict[str, Any]:
    return {
        "work_process_id": work_process.id,
        "attempt": work_process.attempt,
        "mission_type": work_process.type_name,
        "yard": work_process.yard_uid or "",
        "priority": work_process.priority,
        "agents": shown_agents(work_process.agent_uuids),
        "details_url": f"{settings.public_api_url}/api/v1/work-processes/{work_process.id}",
        "options": options,
        "ready_timeout": settings.reserve_ready_timeout,
        "reserve_resend_interval": settings.reserve_resend_interval,
        "cancel_resend_interval": settings.cancel_resend_interval,
        "cancel_attempts": settings.cancel_attempts,
        "task_queues": TaskQueues.of(settings.task_queue, installation),
    }


def shown_agents(uuids: list[str]) -> list[str]:
    """The first of these for the engine's search attribute, which refuses more than 2,048 bytes."""
    shown, size = [], 0
    for uuid in uuids:
        size += len(uuid) + 4
        if size > 1_900:
            break
        shown.append(uuid)
    return shown
