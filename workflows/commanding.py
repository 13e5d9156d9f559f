"""Commands to devices: await what comes of one, cancel one, bring an instrument to INACTIVE."""

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, Outcome, RaiseAttention
    from missions.mission_files.contracts import (
        BringToInactive,
        CancelCommand,
        CheckCommand,
        CommandChecked,
        CommandSent,
        FileActivity,
    )
    from missions.transitions import ASSIGNMENT_SUCCEEDED

from workflows.acting import act
from workflows.options import ENDING, WITH_HEARTBEAT

# From the farthest state INACTIVE is three commands away; an instrument that answers otherwise is left as it is.
_MOST_TO_INACTIVE = 6


class Commands:
    """The commands of one workflow. `ended`: the devices' last words, by assignment; signals write to it."""

    def __init__(
        self,
        work_process_id: int,
        number: int | None,
        ended: dict[int, str],
        halted: Callable[[], bool],
        *,
        cancel_interval: float,
        cancel_attempts: int,
        run: int = 0,
    ) -> None:
        self._work_process_id, self._number = work_process_id, number
        self._ended, self._halted = ended, halted
        self._cancel_interval, self._cancel_attempts = cancel_interval, cancel_attempts
        self._run = run

    async def end_of(
        self, assignment_id: int, timeout: float, waiting: str, stopped: Callable[[], bool] = lambda: False
    ) -> str | None:
        """The device's last word; None: it said none in `timeout` seconds, or the wait was `stopped`."""
        try:
            await workflow.wait_condition(
                lambda: assignment_id in self._ended or stopped(), timeout=timeout, timeout_summary=waiting[:200]
            )
        except TimeoutError:
            # A net below the signals.
            checked = await act(
                FileActivity.CHECK_COMMAND,
                self._check(assignment_id),
                CommandChecked,
                f"look for the report on assignment {assignment_id}",
            )
            if checked.ended:
                self._ended.setdefault(assignment_id, checked.status)
        return self._ended.get(assignment_id)

    async def cancel(self, assignment_id: int, device: str) -> str | None:
        """Tell the device to stop until it confirms; a halt waits for no word of it. Returns its last word, if any.

        That may be that it is done: its report may have waited for a worker longer than the command's time-out.
        """
        for _ in range(self._cancel_attempts):
            checked = await act(
                FileActivity.CANCEL_COMMAND,
                CancelCommand(work_process_id=self._work_process_id, assignment_id=assignment_id),
                CommandChecked,
                f"cancel the command of {device}",
                ENDING,
            )
            if checked.ended:
                return checked.status
            if self._halted():
                break
            try:
                await workflow.wait_condition(
                    lambda: assignment_id in self._ended or self._halted(),
                    timeout=self._cancel_interval,
                    timeout_summary=f"{device} confirms that it stopped"[:200],
                )
                break
            except TimeoutError:
                continue
        return self._ended.get(assignment_id)

    async def to_inactive(self, agent_id: int, timeout: float, stopped: Callable[[], bool] = lambda: False) -> None:
        """Bring one of the mission's instruments to INACTIVE; what does not get there is left, and said to people."""
        for sent in range(_MOST_TO_INACTIVE):
            if stopped() or self._halted():
                return
            step = await act(
                FileActivity.BRING_TO_INACTIVE,
                BringToInactive(
                    work_process_id=self._work_process_id,
                    number=self._number,
                    agent_id=agent_id,
                    sent=sent,
                    run=self._run,
                ),
                CommandSent,
                f"bring instrument {agent_id} to INACTIVE",
                WITH_HEARTBEAT,
            )
            if step.outcome is Outcome.FAILED:
                return await self._left(step.assignment_id, step.error)
            if not step.assignment_id:
                return
            waiting = f"instrument {agent_id} on its way to INACTIVE"
            status = step.ended or await self.end_of(
                step.assignment_id, timeout, waiting, lambda: stopped() or self._halted()
            )
            if status is None:
                status = await self.cancel(step.assignment_id, f"instrument {agent_id}")
                if stopped():
                    return
                if status not in ASSIGNMENT_SUCCEEDED:
                    return await self._left(step.assignment_id, f"it did not answer within {timeout:g} s")
            if status not in ASSIGNMENT_SUCCEEDED:
                checked = await act(
                    FileActivity.CHECK_COMMAND, self._check(step.assignment_id), CommandChecked, "look why it refused"
                )
                return await self._left(step.assignment_id, checked.error)

    async def _left(self, assignment_id: int, why: str) -> None:
        """Say that an instrument is not INACTIVE, though its mission, or its thread, was aborted."""
        call = RaiseAttention(
            work_process_id=self._work_process_id,
            attempt=1,
            transition=0,
            code="not_inactive",
            text=f"the instrument could not be brought to INACTIVE and is left as it is: {why}",
            assignment_id=assignment_id,
        )
        await act(Activity.RAISE_ATTENTION, call, None, "raise attention: not_inactive", ENDING)

    def _check(self, assignment_id: int) -> CheckCommand:
        return CheckCommand(work_process_id=self._work_process_id, number=self._number, assignment_id=assignment_id)
