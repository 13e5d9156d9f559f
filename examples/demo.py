"""`make demo`: three agents, a slow planner, three missions, and a verdict that three witnesses must agree on.

One mission succeeds; one is cancelled while its agent drives; one has to wait for agents and says why until it gets
them. Exit code 0 only if the agents' own logs, the API and the Temporal runs agree that all ended as intended.
"""

import contextlib
import os
import sys
from pathlib import Path

if not __package__:
    # Run as a script: here, `import fleet` would find the demo fleet instead of the package.
    sys.path[0] = str(Path(__file__).parents[1])

import httpx
from rich.console import Console
from rich.table import Table
from temporalio.service import RPCError

from api.token import ensure_token
from cli.stack.processes import Processes
from engine.client import connect
from examples.crew import CannotRun, Crew, api_client
from examples.performance import perform, run
from examples.running import Muster
from examples.verdict import Evidence, Intended, disagreements
from examples.watch import STYLES, Mission, Watch, eventually
from missions.statuses import WorkProcessStatus
from missions.transitions import WORK_PROCESS_OPEN
from settings import Settings, read_settings

TRUCKS = ("demo-truck-1", "demo-truck-2", "demo-truck-3")
OPEN = sorted(WORK_PROCESS_OPEN - {WorkProcessStatus.DRAFT})
PATIENCE = 60.0
"""Seconds for each thing that is waited for; all missions together take about 10."""


async def demo(settings: Settings, console: Console) -> int:
    """Run it; returns the exit code."""
    return await perform(
        settings,
        console,
        "demo",
        lambda running, folder: _with_crew(settings, running, folder, console),
        lambda played, folder: _report(*played, folder, console),
    )


async def _with_crew(
    settings: Settings, running: Muster, folder: Path, console: Console
) -> tuple[list[Mission], list[str]]:
    """Run the missions; returns them, and what speaks against a pass."""
    # The Temporal client reads its address from the environment.
    os.environ.update(running.addresses.environment())
    if running.stack is not None:
        os.environ.update(running.stack.environment())
    # In a stack of our own, under its care: its next start finds what a killed demo left behind.
    processes = running.stack.processes if running.stack else Processes(folder, "muster-demo")
    async with api_client(running.api_url, ensure_token(settings)) as api:
        crew = Crew(
            settings,
            api,
            processes,
            folder,
            amqp_url=running.addresses.amqp_url,
            service_type="demo-drive",
            trucks=TRUCKS,
        )
        try:
            await crew.start(recipes="replace")
            await _until_checked_in(crew)
            await _clear(api, crew, console)
            await _until_free(crew)
            watch = Watch(api, console)
            intended = await _missions(watch, crew, api)
            with contextlib.suppress(CannotRun):  # the verdict tells
                await _until_free(crew)
            problems = disagreements(intended, await _evidence(settings, watch, crew))
        finally:
            await crew.stop()
    return watch.missions, problems


async def _missions(watch: Watch, crew: Crew, api: httpx.AsyncClient) -> list[Intended]:
    """Run the three; whatever does not come in time shows in the verdict."""
    one, two, three = TRUCKS
    delivery = await watch.start("delivery", [one, two])
    patrol = await watch.start("patrol", [three], seconds=PATIENCE)  # drives until it is cancelled
    await watch.until(lambda: delivery.has_agents and patrol.has_agents, PATIENCE)
    pickup = await watch.start("pick-up", [two, three])

    def may_cancel() -> bool:
        drives = any(line.get("says") == "busy" and line["mission"] == patrol.id for line in crew.log(three))
        return drives and patrol.shown["status"] == "executing" and pickup.waits_for_others

    await watch.until(lambda: patrol.ended or may_cancel(), PATIENCE)
    watch.tell(patrol.name, f"we cancel it: {three} is driving", "yellow")
    await api.post(f"/work-processes/{patrol.id}/cancel", json={"reason": "to show it"})
    await watch.until(lambda: all(mission.ended for mission in watch.missions), PATIENCE)
    return [
        Intended("delivery", delivery.id, (one, two), "succeeded"),
        Intended("patrol", patrol.id, (three,), "canceled"),
        Intended("pick-up", pickup.id, (two, three), "succeeded", waits=True),
    ]


async def _until_checked_in(crew: Crew) -> None:
    """Wait until every truck said its first word; raises CannotRun naming the others."""

    def silent() -> list[str]:
        return [uuid for uuid in TRUCKS if not any("says" in line for line in crew.log(uuid))]

    async def all_there() -> bool:
        return not silent()

    if not await eventually(all_there, PATIENCE):
        raise CannotRun(f"Did not check in: {', '.join(silent())}.")


async def _until_free(crew: Crew) -> None:
    """Wait until every truck says that it is free, and the API too; raises CannotRun naming the others."""
    others = set(TRUCKS)

    async def all_free() -> bool:
        agents = await crew.agents()
        for uuid in TRUCKS:
            agent, log = agents.get(uuid), crew.log(uuid)
            in_api = agent is not None and agent["status"] == "free" and agent["reservedFor"] is None
            if in_api and log and log[-1].get("says") == "free":
                others.discard(uuid)
            else:
                others.add(uuid)
        return not others

    if not await eventually(all_free, PATIENCE):
        raise CannotRun(f"Not free: {', '.join(sorted(others))}.")


async def _clear(api: httpx.AsyncClient, crew: Crew, console: Console) -> None:
    """Cancel what an earlier demo, that was broken off, left open at our trucks."""

    async def left() -> list[int]:
        found: set[int] = set()
        for agent in (await crew.agents()).values():
            answer = await api.get("/work-processes", params={"agent_id": agent["id"], "status": OPEN, "limit": 200})
            found |= {item["id"] for item in answer.raise_for_status().json()["items"]}
        return sorted(found)

    async def none_left() -> bool:
        return not await left()

    open_missions = await left()
    if not open_missions:
        return
    console.print(f"Cancelling what an earlier demo left open: mission {', '.join(map(str, open_missions))}")
    for key in open_missions:
        await api.post(f"/work-processes/{key}/cancel", json={"reason": "left open by an earlier demo"})
    if not await eventually(none_left, PATIENCE):
        raise CannotRun(f"Missions of an earlier demo do not end: {', '.join(map(str, await left()))}.")


async def _evidence(settings: Settings, watch: Watch, crew: Crew) -> Evidence:
    runs: dict[int, str] = {}
    temporal = await connect(settings)

    async def all_closed() -> bool:
        """A run closes some milliseconds after it wrote the mission's last status."""
        for mission in watch.missions:
            with contextlib.suppress(RPCError):
                run = await temporal.get_workflow_handle(mission.shown["workflowId"] or "none").describe()
                runs[mission.id] = run.status.name if run.status else "UNKNOWN"
        return "RUNNING" not in runs.values()

    await eventually(all_closed, 15)
    return Evidence(
        logs={uuid: crew.log(uuid) for uuid in crew.trucks},
        missions={mission.id: mission.shown for mission in watch.missions},
        assignments={mission.id: mission.assignments for mission in watch.missions},
        waited={mission.id: mission.waited for mission in watch.missions},
        agents=await crew.agents(),
        runs=runs,
    )


def _report(missions: list[Mission], problems: list[str], folder: Path, console: Console) -> int:
    """Show table and verdict; returns the exit code."""
    console.print(_table(missions))
    if not problems:
        console.print("[green]Passed.[/green] The agents' own logs, the API and the Temporal runs agree.")
        return 0
    console.print("[red]Failed.[/red]")
    for problem in problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)
    console.print(f"Logs: {folder}, {folder.parent / 'logs'}", soft_wrap=True)
    return 1


def _table(missions: list[Mission]) -> Table:
    table = Table(title="Missions", title_justify="left")
    table.add_column("mission")
    table.add_column("status")
    table.add_column("first assignment after", justify="right")
    table.add_column("total", justify="right")
    for mission in missions:
        status = mission.shown["status"]
        times = (f"{value:.2f} s" if value is not None else "-" for value in (mission.first_assignment, mission.total))
        style = STYLES.get(status, "red")
        table.add_row(f"{mission.name} ({mission.id})", f"[{style}]{status}[/{style}]", *times)
    return table


if __name__ == "__main__":
    run(lambda: demo(read_settings(), Console(highlight=False)))
