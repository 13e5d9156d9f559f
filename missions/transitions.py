"""Which status may follow which: one table behind the code, the tests, the 409s and the diagram in the docs."""

from collections.abc import Mapping

from missions.statuses import AssignmentStatus as A
from missions.statuses import QueueStatus as Q
from missions.statuses import ServiceRequestStatus as R
from missions.statuses import WorkProcessStatus as W

WORK_PROCESS: Mapping[W, frozenset[W]] = {
    # `failed`: its queue wanted to dispatch it, and its recipe or a service was gone.
    W.DRAFT: frozenset({W.DISPATCHED, W.FAILED, W.CANCELED}),
    W.DISPATCHED: frozenset({W.PREPARING_RESOURCES, W.CALCULATING, W.PLANNING_FAILED, W.FAILED, W.CANCELING}),
    # Back to `dispatched`: an attempt failed, and another one follows.
    # `executing`: a mission file plans nothing.
    W.PREPARING_RESOURCES: frozenset(
        {W.CALCULATING, W.EXECUTING, W.DISPATCHED, W.PLANNING_FAILED, W.FAILED, W.CANCELING}
    ),
    # `succeeded`: a mission without agents, and without assignments.
    W.CALCULATING: frozenset(
        {W.EXECUTING, W.ASSIGNMENTS_COMPLETED, W.SUCCEEDED}
        | {W.PLANNING_FAILED, W.ASSIGNMENT_FAILED, W.FAILED, W.CANCELING}
    ),
    W.EXECUTING: frozenset({W.ASSIGNMENTS_COMPLETED, W.PLANNING_FAILED, W.ASSIGNMENT_FAILED, W.FAILED, W.CANCELING}),
    W.ASSIGNMENTS_COMPLETED: frozenset({W.SUCCEEDED, W.FAILED, W.CANCELING}),
    W.PLANNING_FAILED: frozenset({W.DISPATCHED, W.FAILED, W.CANCELING}),
    W.ASSIGNMENT_FAILED: frozenset({W.DISPATCHED, W.FAILED, W.CANCELING}),
    W.CANCELING: frozenset({W.CANCELED}),
    W.SUCCEEDED: frozenset(),
    W.FAILED: frozenset(),
    W.CANCELED: frozenset(),
}

WORK_PROCESS_ENDED = frozenset(status for status, following in WORK_PROCESS.items() if not following)
WORK_PROCESS_OPEN = frozenset(WORK_PROCESS) - WORK_PROCESS_ENDED

# What a client may write; every other status is written by the mission itself (spec 1).
CLIENT_MAY_CREATE = frozenset({W.DRAFT, W.DISPATCHED})
CLIENT_MAY_WRITE = frozenset({W.DISPATCHED, W.CANCELING})

ASSIGNMENT_SUCCEEDED = frozenset({A.SUCCEEDED, A.COMPLETED})
ASSIGNMENT_FAILED = frozenset({A.FAILED, A.ABORTED, A.REJECTED})
ASSIGNMENT_ENDED = ASSIGNMENT_SUCCEEDED | ASSIGNMENT_FAILED | {A.CANCELED}
ASSIGNMENT_UNSENT = frozenset({A.NOT_READY_TO_DISPATCH, A.WAIT_DEPENDENCIES, A.TO_DISPATCH})

# What an agent may say of its assignment (reference: helyOS's status words).
AGENT_MAY_REPORT = ASSIGNMENT_ENDED | {A.EXECUTING, A.ACTIVE}

ASSIGNMENT: Mapping[A, frozenset[A]] = {
    A.NOT_READY_TO_DISPATCH: frozenset({A.WAIT_DEPENDENCIES, A.TO_DISPATCH, A.CANCELED}),
    A.WAIT_DEPENDENCIES: frozenset({A.TO_DISPATCH, A.CANCELED}),
    A.TO_DISPATCH: AGENT_MAY_REPORT | {A.CANCELING},
    # Back again: its agent checked in anew before it said a word of it, so that nobody knows whether it has it.
    A.EXECUTING: AGENT_MAY_REPORT | {A.CANCELING, A.TO_DISPATCH},
    A.ACTIVE: AGENT_MAY_REPORT | {A.CANCELING},
    A.CANCELING: ASSIGNMENT_ENDED,
    # `completed` is helyOS's own note of a reported `succeeded`: its rows may carry it, and an agent may say it.
    A.SUCCEEDED: frozenset({A.COMPLETED}),
    A.COMPLETED: frozenset(),
    A.REJECTED: frozenset(),
    A.FAILED: frozenset(),
    A.ABORTED: frozenset(),
    A.CANCELED: frozenset(),
}

# A queue that is idle may run again, with the drafts that are left.
MISSION_QUEUE: Mapping[Q, frozenset[Q]] = {
    Q.STOPPED: frozenset({Q.RUN}),
    Q.RUN: frozenset({Q.RUNNING, Q.PAUSED, Q.STOPPED, Q.CANCELING}),
    Q.RUNNING: frozenset({Q.PAUSED, Q.STOPPED, Q.CANCELING}),
    Q.PAUSED: frozenset({Q.RUN, Q.STOPPED, Q.CANCELING}),
    Q.CANCELING: frozenset({Q.CANCELED}),
    Q.CANCELED: frozenset({Q.RUN}),
}
QUEUE_IDLE = frozenset({Q.STOPPED, Q.CANCELED})

SERVICE_REQUEST_ENDED = frozenset({R.READY, R.FAILED, R.TIME_OUT, R.CANCELED, R.SKIPPED})


def may_follow(current: W, wanted: W) -> bool:
    """Whether a mission may go from `current` to `wanted`."""
    return wanted in WORK_PROCESS[current]


def work_process_diagram() -> str:
    """The status diagram as Mermaid text, for the docs."""
    names = {status: status.value.replace(" ", "_") for status in W}
    lines = ["stateDiagram-v2", "    [*] --> draft", "    [*] --> dispatched"]
    for status, following in WORK_PROCESS.items():
        lines += [f"    {names[status]} --> {names[nxt]}" for nxt in W if nxt in following]
    lines += [f"    {names[status]} --> [*]" for status in W if status in WORK_PROCESS_ENDED]
    return "\n".join(lines) + "\n"
