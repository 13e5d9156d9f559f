"""Send a step's assignments group by group, and await their agents; a durable wait that holds no worker slot."""

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import (
        Activity,
        AssignmentsDispatched,
        AssignmentSettled,
        DispatchAssignments,
        Outcome,
        ResendAssignment,
        SettleFailedAssignment,
        StepPlan,
    )
    from missions.errors import Failure, FailureCode
    from missions.statuses import AssignmentStatus, UnconfirmedStart
    from missions.transitions import ASSIGNMENT_SUCCEEDED

from workflows.attention import raise_attention
from workflows.looking_up import look_up
from workflows.mission import Failed, Mission, Stop
from workflows.options import WITH_HEARTBEAT
from workflows.silence import Silence
from workflows.starting import Starts


async def execute(mission: Mission, plan: StepPlan) -> None:
    """Send a step's groups, each when the one before it has ended; raises Failed, Stop."""
    group, groups = 0, 1
    deadlines: dict[int, float] = {}
    silent, starts = Silence(mission), Starts(mission)
    while group < groups:
        sent = await _send(mission, plan, group, starts)
        groups = sent.groups
        while sent.sent and await _await_group(mission, plan, sent, deadlines, silent, starts):
            # With a new assignment for another agent, or what came back.
            sent = await _send(mission, plan, group, starts, again=True)
        group += 1


async def _send(
    mission: Mission, plan: StepPlan, group: int, starts: Starts, *, again: bool = False
) -> AssignmentsDispatched:
    """Send what was not sent yet of a group."""
    async with mission.sending():
        sent = await mission.act(
            Activity.DISPATCH_ASSIGNMENTS,
            DispatchAssignments(
                **mission.call(),
                service_request_id=plan.service_request_id,
                step=plan.step,
                group=group,
                released=mission.attempt.released,
                replaced=mission.attempt.replaced,
                again=again or mission.sent_before,
                last_try=starts.try_again(),
            ),
            AssignmentsDispatched,
            f"send group {group + 1} of step {plan.step}",
            WITH_HEARTBEAT,
        )
    if sent.outcome is Outcome.SUPERSEDED:
        raise Stop
    if sent.failure is not None:
        raise Failed(sent.failure)
    if sent.sent:
        deaf = f"; {len(sent.unheard)} came back, their agents do not listen" if sent.unheard else ""
        mission.board.step(plan.step, f"group {group + 1} of {sent.groups} at {sent.agents or 'nobody'}{deaf}")
        mission.show_executing()
    return sent


async def _await_group(
    mission: Mission,
    plan: StepPlan,
    sent: AssignmentsDispatched,
    deadlines: dict[int, float],
    silent: Silence,
    starts: Starts,
) -> bool:
    """Return once a group has ended; True: an assignment of it is to be sent, again or to another agent.

    `deadlines`, by assignment, `silent` and `starts` are those of the step: whoever was sent before keeps its own.
    """
    for key, status in sent.ended.items():
        mission.attempt.ended.setdefault(int(key), status)
    await starts.watch(sent)
    limit = mission.start.options.assignment_timeout
    if limit is not None:
        for sent_one in [key for key in sent.sent if key not in sent.unheard]:
            deadlines.setdefault(sent_one, mission.agents_clock.now() + limit)

    def next_due() -> tuple[float, int] | None:
        return min(
            ((deadlines[k], k) for k in sent.sent if k in deadlines and k not in mission.attempt.ended), default=None
        )

    def settled() -> bool:
        return _failed_of(mission, sent.sent) is not None or all(key in mission.attempt.ended for key in sent.sent)

    waiting = f"{sent.agents}: assignments {', '.join(map(str, sent.sent[:10]))} of step {plan.step}"
    silent.watch(sent.sent)
    while True:
        if await _until_settled(mission, settled, sent.sent, next_due, waiting, silent, starts):
            failed = _failed_of(mission, sent.sent)
            if failed is None:
                return silent.reassigned
            text = f"assignment {failed} ended as {mission.attempt.ended[failed]!r}"
            await _settle_failed(mission, failed, FailureCode.ASSIGNMENT_FAILED, text)
        elif silent.given_up is not None:
            mute, text = silent.given_up
            silent.given_up = None
            await _settle_failed(mission, mute, FailureCode.AGENT_SILENT, text)
        elif silent.reassigned or starts.to_send:
            return True
        elif starts.overdue:
            await _settle_unconfirmed(mission, starts.take_overdue())
        elif (due := next_due()) is not None and due[0] <= mission.agents_clock.now():
            late = due[1]
            text = f"assignment {late} did not end within {limit:g} s"
            await _settle_failed(mission, late, FailureCode.ASSIGNMENT_TIMEOUT, text)


async def _settle_failed(mission: Mission, key: int, code: FailureCode, text: str) -> None:
    """Do what the policy of a failed assignment says; raises Failed if that is to fail the mission, Stop."""
    async with mission.settling():
        if key in mission.attempt.tolerated:
            return
        settled = await mission.act(
            Activity.SETTLE_FAILED_ASSIGNMENT,
            SettleFailedAssignment(
                **mission.call(), assignment_id=key, given_up="" if key in mission.attempt.ended else text
            ),
            AssignmentSettled,
            f"settle failed assignment {key}",
        )
        if settled.outcome is Outcome.SUPERSEDED:
            raise Stop
        if settled.outcome is Outcome.FAILED:
            raise Failed(Failure(code=code, text=text, assignment_id=key))
        mission.attempt.ended.setdefault(key, settled.status)
        mission.attempt.ended.update(dict.fromkeys(settled.canceled, AssignmentStatus.CANCELED))
        mission.attempt.tolerated.update([key, *settled.canceled])
        if settled.released is not None and settled.released not in mission.attempt.released:
            mission.attempt.released.append(settled.released)


async def _until_settled(
    mission: Mission,
    settled: Callable[[], bool],
    ids: list[int],
    next_due: Callable[[], tuple[float, int] | None],
    waiting: str,
    silent: Silence,
    starts: Starts,
) -> bool:
    """Wait for a group's reports; False at its deadline, or if one is to be sent, or dealt with otherwise."""
    clock = mission.agents_clock
    while True:
        stopped, doubted, paused = clock.stopped, starts.doubted, mission.pause.paused
        due = next_due()
        left = None if due is None else max(0.0, due[0] - clock.now())
        pauses = [seconds for seconds in (left, silent.look_in, starts.look_in) if seconds is not None and not stopped]
        await mission.until(
            lambda: (
                settled()
                or silent.unneeded != []
                or clock.stopped is not stopped  # noqa: B023
                or mission.pause.paused is not paused  # noqa: B023
                or (not clock.stopped and (silent.due != [] or starts.to_send or starts.doubted != doubted))  # noqa: B023
            ),
            timeout=min(pauses, default=None),
            waiting=waiting,
        )
        if await silent.dismiss_unneeded():
            return False
        if settled():
            return True
        if clock.stopped:
            continue
        if starts.to_send or starts.overdue:
            return False
        due = next_due()
        if due is not None and due[0] <= clock.now():
            await look_up(mission, [key for key in ids if key not in mission.attempt.ended])
            return settled()
        if silent.due and await silent.deal_with_due():
            return False


def _failed_of(mission: Mission, ids: list[int]) -> int | None:
    failed = (key for key in ids if mission.attempt.ended.get(key, "succeeded") not in ASSIGNMENT_SUCCEEDED)
    return next((key for key in failed if key not in mission.attempt.tolerated), None)


async def _settle_unconfirmed(mission: Mission, ids: list[int]) -> None:
    """Assignments that may not have reached their agents, who said nothing of them in time: do what the recipe says."""
    options = mission.start.options
    found = (await look_up(mission, ids)).statuses
    for key in ids:
        if found.get(str(key)) != AssignmentStatus.TO_DISPATCH or key in mission.attempt.tolerated:
            continue  # it was heard of, or went with its agent, whom another failure released
        if options.unconfirmed_start is UnconfirmedStart.FAIL:
            text = f"assignment {key} may not have reached its agent, which said nothing of it"
            await _settle_failed(mission, key, FailureCode.ASSIGNMENT_NOT_STARTED, text)
        elif not (options.unconfirmed_start is UnconfirmedStart.RESEND and await _resent(mission, key)):
            await raise_attention(
                mission,
                "assignment_unconfirmed",
                f"assignment {key} may not have reached its agent, which has said nothing of it for"
                f" {options.assignment_start_timeout:g} s; look at the agent, cancel the mission if need be",
                key,
            )


async def _resent(mission: Mission, key: int) -> bool:
    """Send an assignment of unknown outcome once more; False: its agent would drive twice."""
    async with mission.sending():
        resent = await mission.act(
            Activity.RESEND_ASSIGNMENT,
            ResendAssignment(**mission.call(), assignment_id=key),
            AssignmentsDispatched,
            f"re-send assignment {key}",
        )
    for ended, status in resent.ended.items():
        mission.attempt.ended.setdefault(int(ended), status)
    return resent.outcome is Outcome.DONE
