"""Endings of mission files and of their threads: their workflows alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

from collections.abc import Awaitable, Callable

from missions.contracts import Activity, AssignmentEnded, Outcome, PauseWish, Reserved
from missions.mission_files.contracts import CommandSent, EventRaised, FileActivity
from missions.mission_files.plan import ENDLESS, ErrorPolicy
from tests.workflows.isolated import Run
from tests.workflows.isolated_files import FileBench, FileRun, command, pause, timed, triggered

_SENT = CommandSent(outcome=Outcome.DONE, assignment_id=1)
_FAILED = CommandSent(outcome=Outcome.DONE, assignment_id=1, ended="failed")


async def _thread(run: FileRun) -> Run:
    """The run of its first thread, when all is over."""
    await run.ended()
    return Run(run.thread(), run.fake)


async def _three_sequences(bench: FileBench) -> FileRun:
    return await bench.run_file(
        timed(command("B"), pause(1), quantity=2, pre=[command("A")], post=[command("C")]),
        triggered(command("D"), number=1),
    )


async def succeeded_mission_file(bench: FileBench) -> Run:
    return await _three_sequences(bench)


async def succeeded_thread(bench: FileBench) -> Run:
    return await _thread(await _three_sequences(bench))


async def succeeded_thread_by_events(bench: FileBench) -> Run:
    bench.fake.events = ["atStep"]
    run = await bench.run_file(triggered(command("A"), quantity=2, post=[command("B")]))
    await run.until_called(FileActivity.TAKE_EVENT, 2)
    bench.fake.events.append("atStep")
    await run.thread().signal("event_raised", EventRaised())
    return await _thread(run)


async def succeeded_thread_after_a_retry(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _FAILED if call.serial == 1 else None
    return await _thread(await bench.run_file(timed(command("A"))))


async def succeeded_thread_after_a_pause(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _SENT if call.index == 0 else None
    run = await bench.run_file(timed(command("A", timeout=60), command("B")))
    await run.until_called(FileActivity.SEND_COMMAND)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.thread().signal("assignment_ended", AssignmentEnded(assignment_id=1, status="succeeded"))
    await run.until_called(Activity.NOTE_PAUSE)
    await run.signal("pause", PauseWish(paused=False, number=2))
    return await _thread(run)


async def failed_mission_file(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _FAILED if call.number == 0 else None
    return await bench.run_file(timed(command("A", ErrorPolicy.ABORT)), timed(command("B"), number=1))


async def succeeded_thread_in_being_aborted(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _FAILED
    return await _thread(await bench.run_file(timed(command("A", ErrorPolicy.ABORT))))


async def canceled_mission_file_by_policy(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _FAILED if call.number == 0 else None
    return await bench.run_file(timed(command("A", ErrorPolicy.ABORT_MISSION)), timed(pause(6000), number=1))


async def canceled_mission_file_before_its_instruments(bench: FileBench) -> Run:
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: Reserved(outcome=Outcome.WAITING, waiting="held")
    run = await bench.run_file(timed(command("A")))
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.handle.cancel()
    return run


async def _in_a_command(bench: FileBench) -> FileRun:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _SENT
    run = await bench.run_file(timed(command("A", timeout=60)), cancel_resend_interval=0.1)
    await run.until_called(FileActivity.SEND_COMMAND)
    await run.until_waiting()
    return run


async def canceled_mission_file_in_a_command(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.CANCEL_COMMAND] = lambda call: {"ended": False}
    run = await _in_a_command(bench)
    await run.handle.cancel()
    return run


async def canceled_mission_file_by_halt(bench: FileBench) -> Run:
    run = await _in_a_command(bench)
    await run.handle.signal("halt")
    return run


async def succeeded_thread_in_being_stopped(bench: FileBench) -> Run:
    run = await _in_a_command(bench)
    await run.handle.cancel()
    return await _thread(run)


async def continued_thread(bench: FileBench) -> Run:
    run = await bench.run_file(timed(command("A"), quantity=ENDLESS))
    await run.until_called(FileActivity.LOAD_THREAD, 2)
    described = await run.thread().describe()
    await run.handle.cancel()
    await run.ended()
    first = described.raw_description.workflow_execution_info.first_run_id
    return Run(run.fake.client.get_workflow_handle(f"{run.handle.id}-thread-0", run_id=first), run.fake)


RECORDERS: list[Callable[[FileBench], Awaitable[Run]]] = [
    succeeded_mission_file,
    succeeded_thread,
    succeeded_thread_by_events,
    succeeded_thread_after_a_retry,
    succeeded_thread_after_a_pause,
    failed_mission_file,
    succeeded_thread_in_being_aborted,
    canceled_mission_file_by_policy,
    canceled_mission_file_before_its_instruments,
    canceled_mission_file_in_a_command,
    canceled_mission_file_by_halt,
    succeeded_thread_in_being_stopped,
    continued_thread,
]
