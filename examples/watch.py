"""Follows missions through the API and tells every change in a line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from examples.crew import YARD, CannotRun

STYLES = {"succeeded": "green", "canceled": "yellow", "failed": "red"}
WAITING_FOR_AGENTS = ("dispatched", "preparing resources")


async def eventually(holds: Callable[[], Awaitable[bool]], timeout: float) -> bool:
    """Ask until it holds; False if it does not in time (seconds)."""
    deadline = time.monotonic() + timeout
    while not await holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


class Mission:
    """One mission as the API shows it."""

    def __init__(self, name: str, shown: dict[str, Any]) -> None:
        self.name, self.shown = name, shown
        self.id: int = shown["id"]
        self.waited: list[dict[str, Any]] = []
        self.assignments: list[dict[str, Any]] = []
        self.events_seen = 0

    @property
    def has_agents(self) -> bool:
        """Whether it got its agents."""
        return self.shown["status"] not in WAITING_FOR_AGENTS

    @property
    def waits_for_others(self) -> bool:
        """Whether it says that it waits because other missions have its agents."""
        return any(reason["code"] == "agent_reserved" for reason in self.shown["waitingReasons"])

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.shown["endedAt"] is not None

    @property
    def first_assignment(self) -> float | None:
        """Seconds from its dispatch to its first assignment."""
        sent = [item["dispatchedAt"] for item in self.assignments if item["dispatchedAt"]]
        return self._since_dispatch(min(sent)) if sent else None

    @property
    def total(self) -> float | None:
        """Seconds from its dispatch to its end."""
        return self._since_dispatch(self.shown["endedAt"]) if self.ended else None

    def _since_dispatch(self, moment: str) -> float:
        return (datetime.fromisoformat(moment) - datetime.fromisoformat(self.shown["dispatchedAt"])).total_seconds()


class Watch:
    """All missions of the demo."""

    def __init__(self, api: httpx.AsyncClient, console: Console) -> None:
        self._api, self._console = api, console
        self._began = time.monotonic()
        self.missions: list[Mission] = []

    def tell(self, who: str, text: str, style: str = "") -> None:
        """One line with the time since the first one."""
        seconds = time.monotonic() - self._began
        line = f"[dim]{seconds:5.1f} s[/dim]  {who:<9} {escape(text)}"
        self._console.print(line, style=style, soft_wrap=True)

    async def start(self, name: str, agents: list[str], **data: Any) -> Mission:
        """Start a mission and watch it."""
        body = {
            "workProcessTypeName": "demo-driving",
            "status": "dispatched",
            "yardUid": YARD,
            "agentUuids": agents,
            "data": data,
            "description": f"demo: {name}",
        }
        answer = await self._api.post("/work-processes", json=body)
        if answer.is_error:
            raise CannotRun(f"The mission {name} was refused: {answer.text}")
        mission = Mission(name, answer.json())
        self.missions.append(mission)
        self.tell(name, f"mission {mission.id} for {' and '.join(agents)}")
        return mission

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Look at all missions until the condition holds; False if it does not in time."""

        async def look() -> bool:
            for mission in self.missions:
                await self._look(mission)
            return condition()

        return await eventually(look, timeout)

    async def _look(self, mission: Mission) -> None:
        """See what is new of one mission. First the events: none of them is missed, however short a status lasts."""
        path = f"/work-processes/{mission.id}"
        was_waiting = [reason["text"] for reason in mission.shown["waitingReasons"]]
        mission.shown = await self._get(path)
        events = await self._get(f"{path}/events", after=mission.events_seen, limit=1000)
        if events["items"]:
            mission.events_seen = events["items"][-1]["mission_sequence"]
            mission.assignments = (await self._get(f"{path}/assignments", limit=200))["items"]
        for event in events["items"]:
            self._tell_event(mission, event)
        reasons = mission.shown["waitingReasons"]
        waiting = [reason["text"] for reason in reasons]
        if waiting != was_waiting:
            mission.waited += [reason for reason in reasons if reason not in mission.waited]
            if waiting:
                self.tell(mission.name, f"waits: {'; '.join(waiting)}", "cyan")

    def _tell_event(self, mission: Mission, event: dict[str, Any]) -> None:
        payload = event["payload"]
        if event["type"] == "work_process.status_changed":
            status = payload["to"]
            self.tell(mission.name, status, STYLES.get(status, "bold"))
        elif event["type"] == "assignment.status_changed":
            found = {item["id"]: item for item in mission.assignments}.get(payload["assignment_id"])
            if found is not None:
                task = found["data"].get("task", "") if isinstance(found["data"], dict) else ""
                self.tell(mission.name, f"  {found['agentUuid']}: {task}: {payload['to']}")

    async def _get(self, path: str, **params: Any) -> Any:
        return (await self._api.get(path, params=params)).raise_for_status().json()
