"""Mission files: what is told to a run, or to one of its threads, just as it goes from one thing to the next."""

from typing import Any

import pytest
from temporalio import activity

from missions.contracts import Activity, PauseWish
from missions.mission_files.contracts import CommandChecked, CommandSent, FileActivity, SequenceEnded, ThreadEnd
from missions.mission_files.plan import ENDLESS
from tests.workflows.isolated import client
from tests.workflows.isolated_files import FileBench, FileRun, command, file_bench, pause, timed

FIXTURES = (file_bench, client)
pytestmark = pytest.mark.stack


async def ends(run: FileRun) -> list[str]:
    return [call.end for call in run.fake.inputs(FileActivity.END_THREAD)]


async def test_a_cancel_is_heard_as_the_threads_run_is_to_be_continued(file_bench: FileBench) -> None:
    """The run that follows would not have heard of it."""

    async def cancel_then_end(call: Any) -> SequenceEnded | None:
        if call.loop < 2:
            return None
        await file_bench.client.get_workflow_handle(str(activity.info().workflow_id)).cancel()
        return None

    file_bench.fake.scripts = {FileActivity.END_SEQUENCE: cancel_then_end}
    run = await file_bench.run_file(timed(*[command("A")] * 12, quantity=ENDLESS))  # each loop is a history
    assert await run.ended() == "FAILED", "by the thread, whose run alone was cancelled"
    assert await ends(run) == [ThreadEnd.STOPPED]
    assert [call.loop for call in run.fake.inputs(FileActivity.BEGIN_SEQUENCE)] == [1, 2]
    assert len(run.fake.inputs(FileActivity.LOAD_THREAD)) >= 2


def _run() -> str:
    """The mission's run, seen from an activity of it or of its thread."""
    return str(activity.info().workflow_id).split("-thread-")[0]


async def test_a_pause_wished_while_the_threads_start_is_seen_to_hold(file_bench: FileBench) -> None:
    async def wish_then_start(call: Any) -> None:
        await file_bench.client.get_workflow_handle(_run()).signal("pause", PauseWish(paused=True, number=3))

    file_bench.fake.scripts = {FileActivity.START_THREADS: wish_then_start}
    run = await file_bench.run_file(timed(command("A")))
    await run.until_called(Activity.NOTE_PAUSE)
    assert run.fake.sent() == []
    await run.handle.signal("pause", PauseWish(paused=False, number=4))
    assert await run.handle.result() == "succeeded"


async def test_an_abort_as_the_mission_fails_is_an_abort_all_the_same(file_bench: FileBench) -> None:
    """It is told so, and the instruments of the threads that had ended well are brought to INACTIVE, too."""

    async def cancel_then_stop(call: Any) -> None:
        if call.failure is not None:
            await file_bench.client.get_workflow_handle(_run()).cancel()

    failed = CommandSent.model_validate({"outcome": "done", "assignment_id": 1, "ended": "failed"})
    file_bench.fake.scripts = {
        FileActivity.SEND_COMMAND: lambda call: failed,
        Activity.STOP_MISSION: cancel_then_stop,
    }
    run = await file_bench.run_file(timed(command("A"), max_retries=1))
    assert await run.ended() == "CANCELED"
    names = run.fake.names()
    assert names.index(FileActivity.BEGIN_ABORT) < names.index(Activity.FINISH_MISSION)
    assert names.index(FileActivity.BEGIN_ABORT) < len(names) - 1 - names[::-1].index(FileActivity.BRING_TO_INACTIVE)


async def test_a_report_that_comes_after_the_time_out_counts(file_bench: FileBench) -> None:
    """It may have waited for a worker: the command is not sent again."""
    file_bench.fake.scripts = {
        FileActivity.SEND_COMMAND: lambda call: CommandSent.model_validate({"outcome": "done", "assignment_id": 1}),
        FileActivity.CHECK_COMMAND: lambda call: CommandChecked(ended=False),
        FileActivity.CANCEL_COMMAND: lambda call: CommandChecked(ended=True, status="succeeded"),
    }
    run = await file_bench.run_file(timed(command("A")))
    assert await run.handle.result() == "succeeded"
    assert run.fake.sent() == ["A"]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_a_thread_whose_run_alone_is_ended_counts_as_aborted(file_bench: FileBench, how: str) -> None:
    run = await file_bench.run_file(timed(pause(10_000)))
    await run.until_called(FileActivity.SHOW_THREAD, 2)
    await (run.thread().cancel() if how == "cancel" else run.thread().terminate())
    assert await run.ended() == "FAILED"
    assert await ends(run) == [ThreadEnd.STOPPED if how == "cancel" else ThreadEnd.ABORTED]
    assert FileActivity.BRING_TO_INACTIVE in run.fake.names()
