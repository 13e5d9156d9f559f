"""Endings of mission files and of their threads: their workflows alone, with scripted activities."""

# ruff: noqa: D103 -- the recorders' names are what they record

import time
from collections.abc import Awaitable, Callable

from missions.contracts import Activity, AssignmentCancelWish, AssignmentEnded, Outcome, PauseWish, Reserved
from missions.errors import Failure, FailureCode
from missions.mission_files.contracts import (
    CommandSent,
    EventRaised,
    FileActivity,
    NextStart,
    SequenceEnded,
    StartedThread,
    ThreadsStarted,
)
from missions.mission_files.plan import ENDLESS, ErrorPolicy
from tests.workflows.isolated import TERMINATED, Run
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


async def _in_a_command(bench: FileBench, cancel_resend_interval: float = 0.1) -> FileRun:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _SENT
    run = await bench.run_file(timed(command("A", timeout=60)), cancel_resend_interval=cancel_resend_interval)
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


async def succeeded_mission_file_after_a_pause(bench: FileBench) -> Run:
    run = await bench.run_file(timed(pause(60)), triggered(command("A"), number=1))
    await run.until_called(FileActivity.TAKE_EVENT)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.until_called(Activity.NOTE_PAUSE)
    await run.signal("pause", PauseWish(paused=False, number=2))
    return run


async def failed_mission_file_by_its_instruments(bench: FileBench) -> Run:
    failure = Failure(code=FailureCode.AGENT_NOT_LISTENING, text="instrument CTD did not answer")
    bench.fake.scripts[Activity.RESERVE_AGENTS] = lambda call: Reserved(outcome=Outcome.FAILED, failure=failure)
    return await bench.run_file(timed(command("A")))


async def failed_mission_file_with_a_terminated_thread(bench: FileBench) -> Run:
    run = await bench.run_file(timed(pause(60000)))
    await run.until_called(FileActivity.SHOW_THREAD)
    await run.thread().terminate()
    return run


async def failed_mission_file_with_a_cancelled_thread(bench: FileBench) -> Run:
    run = await bench.run_file(timed(pause(60000)))
    await run.until_called(FileActivity.SHOW_THREAD)
    await run.thread().cancel()
    return run


async def canceled_mission_file_before_its_threads(bench: FileBench) -> Run:
    started = ThreadsStarted(
        outcome=Outcome.SUPERSEDED, threads=[StartedThread(number=0, timed=True, instrument_ids=[5])]
    )
    bench.fake.scripts[FileActivity.START_THREADS] = lambda call: started
    return await bench.run_file(timed(command("A")))


async def canceled_mission_file_with_a_stubborn_instrument(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.BRING_TO_INACTIVE] = lambda call: CommandSent(
        outcome=Outcome.DONE, assignment_id=1000, ended="failed"
    )
    run = await _in_a_command(bench)
    await run.handle.cancel()
    return run


async def canceled_mission_file_by_a_halt_of_its_abort(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.CANCEL_COMMAND] = lambda call: {"ended": False}
    run = await _in_a_command(bench, cancel_resend_interval=60)
    await run.handle.cancel()
    await run.until_called(FileActivity.CANCEL_COMMAND)
    await run.until_waiting()
    await run.handle.signal("halt")
    return run


async def succeeded_thread_in_being_halted(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.CANCEL_COMMAND] = lambda call: {"ended": False}
    run = await _in_a_command(bench, cancel_resend_interval=60)
    await run.handle.cancel()
    await run.until_called(FileActivity.CANCEL_COMMAND)
    await run.until_waiting()
    await run.handle.signal("halt")
    return await _thread(run)


async def succeeded_thread_in_being_stopped_between_loops(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.END_SEQUENCE] = lambda call: SequenceEnded(
        start=NextStart(at=time.time() + 3600, due=str(call.due))
    )
    run = await bench.run_file(timed(command("A"), quantity=2))
    await run.until_called(FileActivity.END_SEQUENCE)
    await run.until_waiting()
    await run.handle.cancel()
    return await _thread(run)


async def succeeded_thread_in_being_stopped_before_its_event(bench: FileBench) -> Run:
    run = await bench.run_file(triggered(command("A")))
    await run.until_called(FileActivity.TAKE_EVENT)
    await run.until_waiting()
    await run.handle.cancel()
    return await _thread(run)


async def succeeded_thread_in_being_stopped_while_it_loads(bench: FileBench) -> Run:
    def fails(call: object) -> None:
        raise RuntimeError("not now")

    bench.fake.scripts[FileActivity.LOAD_THREAD] = fails
    run = await bench.run_file(timed(command("A")))
    await run.until_called(FileActivity.LOAD_THREAD)
    await run.handle.cancel()
    return await _thread(run)


async def succeeded_thread_with_the_timed_ones(bench: FileBench) -> Run:
    """It sleeps, and hears that nothing more is raised for it."""
    run = await bench.run_file(triggered(command("A")), timed(pause(60), number=1))
    return await _thread(run)


async def succeeded_thread_in_aborting_its_mission(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _FAILED
    return await _thread(await bench.run_file(timed(command("A", ErrorPolicy.ABORT_MISSION))))


async def succeeded_thread_after_a_skipped_time_out(bench: FileBench) -> Run:
    bench.fake.scripts |= {
        FileActivity.SEND_COMMAND: lambda call: _SENT if call.index == 0 else None,
        FileActivity.CHECK_COMMAND: lambda call: {"ended": False},
    }
    return await _thread(await bench.run_file(timed(command("A", ErrorPolicy.SKIP, timeout=0.2), command("B"))))


async def succeeded_thread_after_a_cancelled_command(bench: FileBench) -> Run:
    bench.fake.scripts[FileActivity.SEND_COMMAND] = lambda call: _SENT if call.index == 0 else None
    run = await bench.run_file(timed(command("A", ErrorPolicy.SKIP, timeout=60), command("B")))
    await run.until_called(FileActivity.SEND_COMMAND)
    await run.thread().signal("cancel_assignment", AssignmentCancelWish(assignment_id=1))
    return await _thread(run)


async def _first_of_thread(run: FileRun) -> Run:
    first = (await run.thread().describe()).raw_description.workflow_execution_info.first_run_id
    await run.ended()
    return Run(run.fake.client.get_workflow_handle(f"{run.handle.id}-thread-0", run_id=first), run.fake)


async def continued_thread_in_a_sequence(bench: FileBench) -> Run:
    run = await bench.run_file(timed(*(command(f"A{number}") for number in range(8))))
    await run.until_called(FileActivity.LOAD_THREAD, 2)
    return await _first_of_thread(run)


async def succeeded_thread_as_another_run(bench: FileBench) -> Run:
    run = await bench.run_file(timed(*(command(f"A{number}") for number in range(8))))
    return await _thread(run)


async def continued_thread_by_events(bench: FileBench) -> Run:
    bench.fake.events = ["atStep"] * 4
    run = await bench.run_file(triggered(*(command(f"A{number}") for number in range(3)), quantity=4))
    await run.until_called(FileActivity.LOAD_THREAD, 2)
    return await _first_of_thread(run)


async def continued_thread(bench: FileBench) -> Run:
    run = await bench.run_file(timed(command("A"), quantity=ENDLESS))
    await run.until_called(FileActivity.LOAD_THREAD, 2)
    await run.handle.cancel()
    return await _first_of_thread(run)


async def failed_mission_file_that_was_terminated(bench: FileBench) -> Run:
    return await bench.run_file(timed(command("A")), takes_over=TERMINATED)


RECORDERS: list[Callable[[FileBench], Awaitable[Run]]] = [
    failed_mission_file_that_was_terminated,
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
    succeeded_mission_file_after_a_pause,
    failed_mission_file_by_its_instruments,
    failed_mission_file_with_a_terminated_thread,
    failed_mission_file_with_a_cancelled_thread,
    canceled_mission_file_before_its_threads,
    canceled_mission_file_with_a_stubborn_instrument,
    canceled_mission_file_by_a_halt_of_its_abort,
    succeeded_thread_in_being_halted,
    succeeded_thread_in_being_stopped_between_loops,
    succeeded_thread_in_being_stopped_before_its_event,
    succeeded_thread_in_being_stopped_while_it_loads,
    succeeded_thread_with_the_timed_ones,
    succeeded_thread_in_aborting_its_mission,
    succeeded_thread_after_a_skipped_time_out,
    succeeded_thread_after_a_cancelled_command,
    continued_thread_in_a_sequence,
    succeeded_thread_as_another_run,
    continued_thread_by_events,
]
