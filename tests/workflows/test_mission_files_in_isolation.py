"""Mission files: the workflows of a run and its threads alone, with activities that answer as a test says."""

import pytest

from missions.contracts import Activity, AssignmentCancelWish, AssignmentEnded, Outcome, PauseWish, Reserved
from missions.mission_files.contracts import (
    CommandSent,
    EventRaised,
    FileActivity,
    StartedThread,
    ThreadEnd,
    ThreadsStarted,
)
from missions.mission_files.plan import ENDLESS, ErrorPolicy
from tests.workflows.isolated import client
from tests.workflows.isolated_files import (
    ALSO_WITHOUT_CACHE,
    FileBench,
    FileRun,
    command,
    file_bench,
    pause,
    timed,
    triggered,
)

FIXTURES = (file_bench, client)
pytestmark = pytest.mark.stack

SENT = CommandSent(outcome=Outcome.DONE, assignment_id=1)
"""It is at its device."""


def failing(*names: str) -> object:
    """A script for `send_command`: these fail, at each attempt."""

    def script(call: object) -> object:
        return CommandSent(outcome=Outcome.DONE, assignment_id=1, ended="failed")

    return script


async def ends(run: FileRun) -> list[str]:
    return [call.end for call in run.fake.inputs(FileActivity.END_THREAD)]


# --- the plain ways


@ALSO_WITHOUT_CACHE
async def test_a_thread_runs_its_three_sequences(file_bench: FileBench) -> None:
    run = await file_bench.run_file(
        timed(command("B"), pause(1), command("C"), quantity=2, pre=[command("A")], post=[command("D")])
    )
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A", "B", "C", "B", "C", "D"]
    assert [call.loop for call in run.fake.inputs(FileActivity.BEGIN_SEQUENCE)] == [1, 2]
    assert [call.last for call in run.fake.inputs(FileActivity.END_SEQUENCE)] == [False, True]
    assert await ends(run) == [ThreadEnd.DONE]


async def test_it_reserves_before_and_releases_after(file_bench: FileBench) -> None:
    run = await file_bench.run_file(timed(command("A")))
    await run.handle.result()
    names = run.fake.names()
    assert names[:2] == [Activity.RESERVE_AGENTS, FileActivity.START_THREADS]
    assert names[-1] == Activity.FINISH_MISSION


async def test_attempts_of_commands_have_numbers_of_their_own(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: failing()}
    run = await file_bench.run_file(timed(command("A"), max_retries=3))
    assert await run.ended() == "FAILED"
    assert [call.serial for call in run.fake.inputs(FileActivity.SEND_COMMAND)] == [1, 2, 3]
    assert await run.failure_type() == "thread_aborted"


@ALSO_WITHOUT_CACHE
async def test_an_endless_thread_goes_on_as_a_new_run(file_bench: FileBench) -> None:
    run = await file_bench.run_file(timed(command("A"), pre=[command("P")], quantity=ENDLESS))
    await run.until_called(FileActivity.LOAD_THREAD, 2)
    loops = [call.loop for call in run.fake.inputs(FileActivity.BEGIN_SEQUENCE)]
    assert loops == list(range(1, len(loops) + 1))
    assert run.fake.sent().count("P") == 1
    serials = [call.serial for call in run.fake.inputs(FileActivity.SEND_COMMAND)]
    assert serials == list(range(1, len(serials) + 1))
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"


# --- events


@ALSO_WITHOUT_CACHE
async def test_an_event_driven_thread_takes_one_event_after_the_other(file_bench: FileBench) -> None:
    file_bench.fake.events = ["atStep", "atStep"]
    run = await file_bench.run_file(triggered(command("A"), quantity=3))
    await run.until_called(FileActivity.TAKE_EVENT, 3)
    file_bench.fake.events.append("atStep")
    await run.thread().signal("event_raised", EventRaised())
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A", "A", "A"]


async def test_event_driven_threads_end_with_the_timed_ones_after_what_was_raised(file_bench: FileBench) -> None:
    file_bench.fake.events = ["atStep"]
    run = await file_bench.run_file(timed(command("A")), triggered(command("B"), number=1, post=[command("C")]))
    assert await run.handle.result() == "succeeded"
    assert sorted(run.fake.sent()) == ["A", "B", "C"]
    assert await ends(run) == [ThreadEnd.DONE, ThreadEnd.DONE]


async def test_a_thread_that_sleeps_hears_that_the_timed_ones_have_ended(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: SENT}
    run = await file_bench.run_file(timed(command("A")), triggered(command("B"), number=1))
    await run.until_called(FileActivity.TAKE_EVENT)
    await run.until_called(FileActivity.SEND_COMMAND)
    await run.thread(0).signal("assignment_ended", AssignmentEnded(assignment_id=1, status="succeeded"))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A"]


# --- errors


async def test_an_aborted_thread_leaves_the_others_alone(file_bench: FileBench) -> None:
    fails = CommandSent(outcome=Outcome.DONE, assignment_id=1, ended="failed")
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: fails if call.number == 0 else None}
    run = await file_bench.run_file(
        timed(command("A", ErrorPolicy.ABORT), command("B"), post=[command("C")]),
        timed(command("D"), number=1, quantity=3),
    )
    assert await run.ended() == "FAILED"
    assert sorted(await ends(run)) == [ThreadEnd.ABORTED, ThreadEnd.DONE]
    assert run.fake.sent().count("D") == 3
    assert not {"B", "C"} & set(run.fake.sent())
    brought = run.fake.inputs(FileActivity.BRING_TO_INACTIVE)
    assert {call.number for call in brought} == {0}


@pytest.mark.parametrize("max_retries", [1, 3])
async def test_a_policy_aborts_the_mission_at_the_first_failure(file_bench: FileBench, max_retries: int) -> None:
    fails = CommandSent(outcome=Outcome.DONE, assignment_id=1, ended="failed")
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: fails if call.number == 0 else None}
    run = await file_bench.run_file(
        timed(command("A", ErrorPolicy.ABORT_MISSION), max_retries=max_retries),
        timed(pause(6000), number=1),
    )
    assert await run.ended() == "CANCELED"
    assert await ends(run) == [ThreadEnd.ABORT_MISSION, ThreadEnd.STOPPED]
    (begun,) = run.fake.inputs(FileActivity.BEGIN_ABORT)
    assert "It is broken." in begun.reason
    assert {call.number for call in run.fake.inputs(FileActivity.BRING_TO_INACTIVE)} == {None}


async def test_a_skipped_failure_is_tried_once(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: failing()}
    run = await file_bench.run_file(timed(command("A", ErrorPolicy.SKIP), command("B", ErrorPolicy.SKIP)))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A", "B"]


async def test_a_command_that_takes_too_long_is_cancelled_and_failed(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {
        FileActivity.SEND_COMMAND: lambda call: SENT,
        FileActivity.CHECK_COMMAND: lambda call: {"ended": False},
    }
    run = await file_bench.run_file(timed(command("A", ErrorPolicy.ABORT, timeout=0.2)))
    assert await run.ended() == "FAILED"
    assert FileActivity.CANCEL_COMMAND in run.fake.names()
    (ended,) = run.fake.inputs(FileActivity.END_THREAD)
    assert ended.error.startswith("CTD did not end it within 0.2 s.")


# --- aborts


async def _until_at_device(run: FileRun) -> None:
    await run.until_called(FileActivity.SEND_COMMAND)


@ALSO_WITHOUT_CACHE
async def test_an_abort_in_a_command_cancels_it_before_the_instruments_are_brought_home(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: SENT}
    run = await file_bench.run_file(timed(command("A", timeout=60)))
    await _until_at_device(run)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"
    names = run.fake.names()
    assert names.index(FileActivity.BEGIN_ABORT) < names.index(FileActivity.CANCEL_COMMAND)
    assert names.index(FileActivity.CANCEL_COMMAND) < names.index(FileActivity.END_THREAD)
    assert names.index(FileActivity.END_THREAD) < names.index(FileActivity.BRING_TO_INACTIVE)
    assert names[-2:] == [Activity.STOP_MISSION, Activity.FINISH_MISSION]
    assert await ends(run) == [ThreadEnd.STOPPED]


async def test_an_abort_while_it_waits_for_its_instruments_touches_none(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {Activity.RESERVE_AGENTS: lambda call: Reserved(outcome=Outcome.WAITING, waiting="held")}
    run = await file_bench.run_file(timed(command("A")))
    await run.until_called(Activity.RESERVE_AGENTS)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"
    assert FileActivity.BRING_TO_INACTIVE not in run.fake.names()
    assert FileActivity.LOAD_THREAD not in run.fake.names()


async def test_a_halt_waits_for_no_device(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {
        FileActivity.SEND_COMMAND: lambda call: SENT,
        FileActivity.CANCEL_COMMAND: lambda call: {"ended": False},
    }
    run = await file_bench.run_file(timed(command("A", timeout=60)), cancel_resend_interval=60)
    await _until_at_device(run)
    await run.handle.signal("halt")
    assert await run.ended() == "CANCELED"
    assert FileActivity.BRING_TO_INACTIVE not in run.fake.names()


async def test_a_device_that_never_confirms_does_not_hold_up_the_end(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {
        FileActivity.SEND_COMMAND: lambda call: SENT,
        FileActivity.CANCEL_COMMAND: lambda call: {"ended": False},
    }
    run = await file_bench.run_file(timed(command("A", timeout=60)), cancel_resend_interval=0.1)
    await _until_at_device(run)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"
    assert run.fake.names().count(FileActivity.CANCEL_COMMAND) == 3


# --- pauses


@ALSO_WITHOUT_CACHE
async def test_a_pause_holds_before_the_next_command(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: SENT if call.index == 0 else None}
    run = await file_bench.run_file(timed(command("A", timeout=60), command("B")))
    await _until_at_device(run)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.until_waiting()
    assert Activity.NOTE_PAUSE not in run.fake.names()
    await run.thread().signal("assignment_ended", AssignmentEnded(assignment_id=1, status="succeeded"))
    await run.until_called(Activity.NOTE_PAUSE)
    assert run.fake.sent() == ["A"]
    await run.signal("pause", PauseWish(paused=False, number=2))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A", "B"]


async def test_a_pause_holds_at_once_for_threads_that_wait(file_bench: FileBench) -> None:
    run = await file_bench.run_file(timed(pause(6000)), triggered(command("A"), number=1))
    await run.until_called(FileActivity.TAKE_EVENT)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.until_called(Activity.NOTE_PAUSE)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"


async def test_a_command_that_is_cancelled_alone_has_failed(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: SENT if call.index == 0 else None}
    run = await file_bench.run_file(timed(command("A", ErrorPolicy.SKIP, timeout=60), command("B")))
    await _until_at_device(run)
    await run.thread().signal("cancel_assignment", AssignmentCancelWish(assignment_id=1))
    assert await run.handle.result() == "succeeded"
    assert run.fake.names().count(FileActivity.CANCEL_COMMAND) == 1
    assert run.fake.sent() == ["A", "B"]


# --- long histories


@ALSO_WITHOUT_CACHE
async def test_a_long_sequence_goes_on_in_a_new_run_where_it_was(file_bench: FileBench) -> None:
    names = {part: [f"{part}{n}" for n in range(7)] for part in ("A", "B", "C")}
    of = {part: [command(name) for name in found] for part, found in names.items()}
    run = await file_bench.run_file(timed(*of["B"], quantity=2, pre=of["A"], post=of["C"]))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == [*names["A"], *names["B"], *names["B"], *names["C"]]
    assert [call.loop for call in run.fake.inputs(FileActivity.BEGIN_SEQUENCE)] == [1, 2]
    assert len(run.fake.inputs(FileActivity.LOAD_THREAD)) > 3


async def test_many_attempts_go_on_in_a_new_run_and_are_counted_on(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: failing()}
    run = await file_bench.run_file(timed(command("A"), max_retries=9))
    assert await run.ended() == "FAILED"
    assert [call.serial for call in run.fake.inputs(FileActivity.SEND_COMMAND)] == list(range(1, 10))
    assert len(run.fake.inputs(FileActivity.LOAD_THREAD)) > 1


async def test_an_events_sequence_goes_on_in_a_new_run(file_bench: FileBench) -> None:
    file_bench.fake.events = ["atStep", "atStep"]
    names = [f"A{n}" for n in range(7)]
    run = await file_bench.run_file(triggered(*map(command, names), quantity=2))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == [*names, *names]
    assert len(run.fake.inputs(FileActivity.LOAD_THREAD)) > 1


async def test_an_abort_does_not_wait_for_a_thread_that_cannot_be_loaded(file_bench: FileBench) -> None:
    def fails(call: object) -> None:
        raise RuntimeError("not now")

    file_bench.fake.scripts = {FileActivity.LOAD_THREAD: fails}
    run = await file_bench.run_file(timed(command("A")))
    await run.until_called(FileActivity.LOAD_THREAD)
    await run.handle.cancel()
    assert await run.ended() == "CANCELED"
    assert await ends(run) == [ThreadEnd.STOPPED]


async def test_threads_that_were_started_and_have_no_runs_are_ended(file_bench: FileBench) -> None:
    started = ThreadsStarted(
        outcome=Outcome.SUPERSEDED, threads=[StartedThread(number=0, timed=True, instrument_ids=[5])]
    )
    file_bench.fake.scripts = {FileActivity.START_THREADS: lambda call: started}
    run = await file_bench.run_file(timed(command("A")))
    assert await run.ended() == "CANCELED"
    assert await ends(run) == [ThreadEnd.STOPPED]
    assert FileActivity.BRING_TO_INACTIVE in run.fake.names()


async def test_a_pause_holds_before_the_next_attempt(file_bench: FileBench) -> None:
    file_bench.fake.scripts = {FileActivity.SEND_COMMAND: lambda call: SENT if call.serial == 1 else None}
    run = await file_bench.run_file(timed(command("A", timeout=60)), retry_pause=0)
    await _until_at_device(run)
    await run.signal("pause", PauseWish(paused=True, number=1))
    await run.thread().signal("assignment_ended", AssignmentEnded(assignment_id=1, status="failed"))
    await run.until_called(Activity.NOTE_PAUSE)
    await FileRun(run.thread(), run.fake).until_called(FileActivity.CHECK_COMMAND)
    await FileRun(run.thread(), run.fake).until_waiting()
    assert run.fake.sent() == ["A"]
    await run.signal("pause", PauseWish(paused=False, number=2))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A", "A"]
