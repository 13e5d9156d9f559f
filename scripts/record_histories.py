"""Records a closed history of every kind of ending, for the replay tests: `make histories`, about a minute.

A whole Muster with SDK agents runs the missions; what no site can be made to produce is recorded from the workflow with
scripted activities. Until version 0.1 is tagged they are simply recorded again; from then on a history stays, and a
change of the workflow's commands needs a patch (docs: the engine's versioning).
"""

# ruff: noqa: D103, T201 -- the recorders' names are what they record; it is a command

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from temporalio.client import WorkflowHandle  # noqa: E402

from missions.contracts import (  # noqa: E402
    Activity,
    AgentSilence,
    AssignmentEnded,
    AssignmentsChecked,
    AssignmentsDispatched,
    CancelRequest,
    Outcome,
)
from tests.support import services  # noqa: E402
from tests.support.planner import Call  # noqa: E402
from tests.support.site import Mission, Site, SiteAgent, running_site, until  # noqa: E402
from tests.workflows.isolated import Bench, Run  # noqa: E402

FOLDER = ROOT / "tests" / "workflows" / "histories"
# Who, where and by which lines: replay does not look at it, and it would differ at each recording.
NOISE = {"taskId", "identity", "requestId", "workerVersion", "stackTrace"}
PENDING = {"request_id": "job-1", "status": "pending"}

BySite = Callable[[Site], Awaitable["Mission | _Queue"]]
ByBench = Callable[[Bench], Awaitable[Run]]


def drives(*agents: SiteAgent, **answer: Any) -> Callable[[Call], Any]:
    """A planner that gives each of these agents an assignment."""
    results = [{"agent_id": agent.id, "assignment": {"n": number}} for number, agent in enumerate(agents)]
    return lambda call: {"results": results, **answer}


async def _busy(site: Site) -> tuple[SiteAgent, str]:
    truck = await site.agent("--work", "2")
    recipe, _ = await site.recipe(drives(truck), options={"maxWait": 60})
    await (await site.mission(recipe, [truck])).until("executing")
    return truck, recipe


async def _driving(site: Site, *options: str, **recipe_fields: Any) -> Mission:
    truck = await site.agent("--work", "60", *options)
    recipe, _ = await site.recipe(drives(truck), **recipe_fields)
    mission = await site.mission(recipe, [truck])
    await mission.until("executing")
    await truck.until_status("busy")
    return mission


# --- from a site


async def succeeded(site: Site) -> Mission:
    truck = await site.agent()
    recipe, _ = await site.recipe(drives(truck))
    return await site.mission(recipe, [truck])


async def succeeded_without_agents(site: Site) -> Mission:
    recipe, _ = await site.recipe(lambda call: {"results": []})
    return await site.mission(recipe, [])


async def succeeded_in_two_groups(site: Site) -> Mission:
    first, second = await site.agent(), await site.agent()
    recipe, _ = await site.recipe(drives(first, second, dispatch_order=[[1], [0]]))
    return await site.mission(recipe, [first, second])


async def succeeded_in_a_diamond_of_steps(site: Site) -> Mission:
    truck, name = await site.agent(), "diamond-of-steps"
    steps = [
        {"step": "first", "serviceType": name},
        {"step": "left", "serviceType": name, "dependencies": ["first"], "waitAssignments": False},
        {"step": "right", "serviceType": name, "dependencies": ["first"], "applyResult": False},
        {"step": "last", "serviceType": name, "dependencies": ["left", "right"]},
    ]
    recipe, _ = await site.recipe(drives(truck), name=name, steps=steps)
    return await site.mission(recipe, [truck])


async def succeeded_with_skipped_steps(site: Site) -> Mission:
    truck, name = await site.agent(), "branches"
    steps = [
        {"step": "first", "serviceType": name, "applyResult": False},
        {"step": "left", "serviceType": name, "dependencies": ["first"]},
        {"step": "right", "serviceType": name, "dependencies": ["first"]},
        {"step": "last", "serviceType": name, "dependencies": ["right"]},
    ]
    answer, branch = drives(truck), {"orchestration": {"allow_dependent_steps": ["left"]}}

    def choose(call: Call) -> Any:
        return answer(call) | (branch if call.body["context"]["orchestration"]["current_step"] == "first" else {})

    recipe, _ = await site.recipe(choose, name=name, steps=steps)
    return await site.mission(recipe, [truck])


async def succeeded_after_polling(site: Site) -> Mission:
    truck = await site.agent()
    answer = drives(truck)
    recipe, _ = await site.recipe(lambda call: answer(call) if call.method == "GET" else PENDING)
    return await site.mission(recipe, [truck])


async def succeeded_after_waiting_for_its_agent(site: Site) -> Mission:
    truck, recipe = await _busy(site)
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_reserved")
    return mission


async def succeeded_after_a_silent_agent(site: Site) -> Mission:
    truck = await site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await site.recipe(drives(truck))
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_not_listening")
    truck.process.kill()
    await site.agent(uuid=truck.uuid)
    return mission


async def failed_assignment(site: Site) -> Mission:
    good, bad = await site.agent("--work", "60"), await site.agent("--fail")
    recipe, _ = await site.recipe(drives(good, bad))
    return await site.mission(recipe, [good, bad])


async def succeeded_after_a_failed_assignment(site: Site) -> Mission:
    good, bad = await site.agent(), await site.agent("--fail")
    recipe, _ = await site.recipe(
        drives(good, bad, good, dispatch_order=[[0, 1], [2]]), onAssignmentFailure="RELEASE_FAILED"
    )
    return await site.mission(recipe, [good, bad])


async def failed_planning(site: Site) -> Mission:
    truck = await site.agent()
    recipe, _ = await site.recipe(lambda call: {"status": "failed"})
    return await site.mission(recipe, [truck])


async def failed_planner_time_out(site: Site) -> Mission:
    recipe, _ = await site.recipe(lambda call: PENDING, resultTimeout=1)
    return await site.mission(recipe, [])


async def failed_longest_wait(site: Site) -> Mission:
    truck = await site.agent("--ignore-reserve", "--ignore-release")
    recipe, _ = await site.recipe(drives(truck), options={"maxWait": 4})
    return await site.mission(recipe, [truck])


async def failed_mission_time_out(site: Site) -> Mission:
    return await _driving(site, options={"missionTimeout": 8})


async def failed_assignment_time_out(site: Site) -> Mission:
    return await _driving(site, options={"assignmentTimeout": 2})


async def canceled_while_driving(site: Site) -> Mission:
    mission = await _driving(site)
    await mission.cancel()
    return mission


async def canceled_while_waiting(site: Site) -> Mission:
    truck, recipe = await _busy(site)
    mission = await site.mission(recipe, [truck])
    await mission.until_waiting("agent_reserved")
    await mission.cancel()
    return mission


async def canceled_while_polling(site: Site) -> Mission:
    truck = await site.agent()
    recipe, service = await site.recipe(lambda call: PENDING)
    mission = await site.mission(recipe, [truck])

    async def polled() -> bool:
        return service.count("GET") > 0

    await until(polled, 30)
    await mission.cancel()
    return mission


async def canceled_by_signal(site: Site) -> Mission:
    mission = await _driving(site)
    await (await mission.run()).signal("cancel", CancelRequest(reason="by signal", requested_by="tester"))
    return mission


async def canceled_by_the_ui(site: Site) -> Mission:
    mission = await _driving(site)
    await (await mission.run()).cancel(reason="by the ui")
    return mission


class _Queue:
    """A mission queue's run, as the recorder wants it."""

    def __init__(self, site: Site, queue_id: int) -> None:
        self._site, self._id = site, queue_id

    async def until(self, _ending: str, timeout: float) -> None:
        async def idle() -> bool:
            return (await self._site.get(f"/mission-queues/{self._id}"))["status"] in ("stopped", "canceled")

        await until(idle, timeout)

    async def run(self) -> WorkflowHandle[Any, Any]:
        shown = await self._site.get(f"/mission-queues/{self._id}")
        return self._site.temporal.get_workflow_handle(shown["workflowId"])

    async def run_status(self) -> None:
        handle = await self.run()

        async def closed() -> bool:
            return (await handle.describe()).close_time is not None

        await until(closed, 30)

    async def cancel(self) -> None:
        await self._site.post(f"/mission-queues/{self._id}/cancel", {}, status=200)


async def _queue(site: Site, work: str, missions: int) -> tuple[_Queue, list[Mission]]:
    truck = await site.agent("--work", work)
    recipe, _ = await site.recipe(drives(truck))
    made = await site.post("/mission-queues", {"name": "recorded"})
    drafts = [await site.mission(recipe, [truck], status="draft", missionQueueId=made["id"]) for _ in range(missions)]
    await site.post(f"/mission-queues/{made['id']}/run", {}, status=200)
    return _Queue(site, made["id"]), drafts


async def succeeded_queue_of_two(site: Site) -> _Queue:
    return (await _queue(site, "0.1", 2))[0]


async def canceled_queue(site: Site) -> _Queue:
    queue, drafts = await _queue(site, "60", 1)
    await drafts[0].until("executing")
    await (await queue.run()).cancel(reason="by the ui")
    return queue


async def canceled_queue_as_its_row_said(site: Site) -> _Queue:
    queue, drafts = await _queue(site, "60", 1)
    await drafts[0].until("executing")
    await queue.cancel()
    return queue


async def canceled_unconfirmed(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await mission.cancel()
    return mission


async def canceled_by_a_halt(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await site.post(f"/work-processes/{mission.id}/halt", None, status=200)
    return mission


async def canceled_by_a_halt_after_a_cancel(site: Site) -> Mission:
    mission = await _driving(site, "--ignore-cancel", "--ignore-release")
    await mission.cancel()
    await mission.until("canceling")
    await site.post(f"/work-processes/{mission.id}/halt", None, status=200)
    return mission


async def succeeded_after_an_immediate_pause(site: Site) -> Mission:
    truck = await site.agent("--work", "1")
    recipe, _ = await site.recipe(drives(truck, truck, dispatch_order=[[0], [1]]))
    mission = await site.mission(recipe, [truck])
    await truck.until_status("busy")
    await site.post(f"/work-processes/{mission.id}/pause", {"mode": "immediate"}, status=200)

    async def paused() -> bool:
        return bool((await mission.read())["pause"] == "paused")

    await until(paused, 10)
    await site.post(f"/work-processes/{mission.id}/resume", None, status=200)
    return mission


async def succeeded_without_a_cancelled_assignment(site: Site) -> Mission:
    mission = await _driving(site, onAssignmentFailure="CONTINUE_MISSION")
    (assignment,) = await mission.assignments()
    await site.post(f"/assignments/{assignment['id']}/cancel", None, status=200)
    return mission


# --- from the workflow alone


async def _unconfirmed_start(bench: Bench, policy: str) -> Run:
    sent = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], unconfirmed=[1], agents="truck")
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: sent
    bench.fake.scripts[Activity.CHECK_ASSIGNMENTS] = lambda call: AssignmentsChecked(statuses={"1": "to_dispatch"})
    return await bench.start(options={"assignment_start_timeout": 0.2, "unconfirmed_start": policy})


async def _then_succeeds(run: Run, after: str) -> Run:
    await run.until_called(after)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=1, status="succeeded"))
    return run


async def succeeded_after_an_unconfirmed_start_was_held(bench: Bench) -> Run:
    return await _then_succeeds(await _unconfirmed_start(bench, "hold"), Activity.RAISE_ATTENTION)


async def succeeded_after_an_unconfirmed_start_was_resent(bench: Bench) -> Run:
    return await _then_succeeds(await _unconfirmed_start(bench, "resend"), Activity.RESEND_ASSIGNMENT)


async def failed_unconfirmed_start(bench: Bench) -> Run:
    return await _unconfirmed_start(bench, "fail")


async def _falls_silent(bench: Bench, policy: str) -> Run:
    run = await bench.start(options={"agent_silence": 0.2, "on_agent_silent": policy})
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS)
    await run.until_waiting()
    await run.signal("agent_silent", AgentSilence(assignment_id=1, text="agent truck has said nothing for 0.2 s"))
    return run


async def succeeded_after_silence_of_an_agent(bench: Bench) -> Run:
    run = await _falls_silent(bench, "wait")
    await run.signal("agent_silent", AgentSilence(assignment_id=1, silent=False))
    return await _then_succeeds(run, Activity.DISPATCH_ASSIGNMENTS)


async def failed_by_a_silent_agent(bench: Bench) -> Run:
    return await _falls_silent(bench, "fail")


async def succeeded_by_another_agent(bench: Bench) -> Run:
    first = AssignmentsDispatched(outcome=Outcome.DONE, groups=1, sent=[1], agents="truck")
    again = first.model_copy(update={"sent": [1, 2], "ended": {"1": "failed"}})
    bench.fake.scripts[Activity.DISPATCH_ASSIGNMENTS] = lambda call: again if call.again else first
    run = await _falls_silent(bench, "reassign")
    await run.until_called(Activity.DISPATCH_ASSIGNMENTS, 2)
    await run.signal("assignment_ended", AssignmentEnded(assignment_id=2, status="succeeded"))
    return run


async def canceled_as_its_row_said(bench: Bench) -> Run:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    bench.fake.scripts[Activity.RESERVE_AGENTS] = cancel_row
    return await bench.start()


async def canceled_while_failing(bench: Bench) -> Run:
    def cancel_row(call: Any) -> None:
        bench.fake.canceling = True

    bench.fake.scripts[Activity.FINISH_MISSION] = cancel_row
    return await bench.start(options={"mission_timeout": 0.2})


BY_SITE: list[BySite] = [
    succeeded, succeeded_without_agents, succeeded_in_two_groups, succeeded_in_a_diamond_of_steps,
    succeeded_with_skipped_steps, succeeded_after_polling, succeeded_after_waiting_for_its_agent,
    succeeded_after_a_silent_agent, succeeded_after_a_failed_assignment, failed_assignment, failed_planning,
    failed_planner_time_out, failed_longest_wait, failed_mission_time_out, failed_assignment_time_out,
    canceled_while_driving, canceled_while_waiting, canceled_while_polling, canceled_by_signal, canceled_by_the_ui,
    canceled_unconfirmed, canceled_by_a_halt, canceled_by_a_halt_after_a_cancel, succeeded_after_an_immediate_pause,
    succeeded_without_a_cancelled_assignment, succeeded_queue_of_two, canceled_queue, canceled_queue_as_its_row_said,
]  # fmt: skip
BY_BENCH: list[ByBench] = [
    succeeded_after_an_unconfirmed_start_was_held, succeeded_after_an_unconfirmed_start_was_resent,
    failed_unconfirmed_start, succeeded_after_silence_of_an_agent, canceled_as_its_row_said, canceled_while_failing,
    failed_by_a_silent_agent, succeeded_by_another_agent,
]  # fmt: skip


def kinds() -> list[str]:
    """The kinds of endings: the files' names."""
    return sorted(record.__name__ for record in (*BY_SITE, *BY_BENCH))


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(item) for key, item in value.items() if key not in NOISE}
    return [_without_noise(item) for item in value] if isinstance(value, list) else value


async def _save(kind: str, handle: WorkflowHandle[Any, Any]) -> None:
    events = json.loads((await handle.fetch_history()).to_json())["events"]
    lines = ",\n".join(json.dumps(_without_noise(event), ensure_ascii=False, sort_keys=True) for event in events)
    (FOLDER / f"{kind}.json").write_text(f'{{"events": [\n{lines}\n]}}\n')
    print(f"{kind}: {len(events)} events, {events[-1]['eventType']}")


async def _by_site(site: Site, record: BySite, turn: asyncio.Semaphore) -> None:
    async with turn:
        mission = await record(site)
        ending = record.__name__.partition("_")[0]
        await mission.until(ending, timeout=60)
        await mission.run_status()
        await _save(record.__name__, await mission.run())


async def _by_bench(site: Site, record: ByBench) -> None:
    async with Bench(site.temporal).running() as bench:
        run = await record(bench)
        await run.ended()
        await _save(record.__name__, run.handle)


async def main() -> None:
    """Record all kinds, or those named on the command line."""
    wanted = set(sys.argv[1:]) or set(kinds())
    if not sys.argv[1:]:
        for old in FOLDER.glob("*.json"):
            old.unlink()
    FOLDER.mkdir(exist_ok=True)
    services.announce()
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with running_site(services.find(), Path(folder)) as site:
                turn = asyncio.Semaphore(4)
                await asyncio.gather(
                    *(_by_site(site, record, turn) for record in BY_SITE if record.__name__ in wanted),
                    *(_by_bench(site, record) for record in BY_BENCH if record.__name__ in wanted),
                )
    finally:
        services.shut_down()


if __name__ == "__main__":
    asyncio.run(main())
