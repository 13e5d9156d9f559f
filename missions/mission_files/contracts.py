"""The typed contracts between the workflows of mission files and their activities. Small: ids instead of data.

Every field that is added later needs a default: runs of the version before it are still on their way.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from missions.contracts import ActivityInput, CancelRequest, Contract, Outcome, TaskQueues, WorkProcessStart
from missions.mission_files.plan import ThreadPlan
from missions.mission_files.thread_status import Sequence, ThreadStatus

MISSION_FILE_RUN = "MissionFile"
"""The workflow type of a mission file's run."""

MISSION_THREAD = "MissionThread"
"""The workflow type of one of its threads."""


class FileActivity(StrEnum):
    """The activities of a mission file's run and of its threads."""

    START_THREADS = "start_threads"
    DISARM_THREADS = "disarm_threads"
    TAKE_OVER_THREADS = "take_over_threads"
    BEGIN_ABORT = "begin_abort"
    LOAD_THREAD = "load_thread"
    SHOW_THREAD = "show_thread"
    BEGIN_SEQUENCE = "begin_sequence"
    END_SEQUENCE = "end_sequence"
    END_THREAD = "end_thread"
    SEND_COMMAND = "send_command"
    CHECK_COMMAND = "check_command"
    CANCEL_COMMAND = "cancel_command"
    BRING_TO_INACTIVE = "bring_to_inactive"
    ARM_THREAD = "arm_thread"
    TAKE_EVENT = "take_event"


class ThreadSignal(StrEnum):
    """The signals that a thread takes, beside those on its assignments."""

    EVENT_RAISED = "event_raised"
    TIMED_THREADS_ENDED = "timed_threads_ended"
    PAUSE = "pause"
    HALT = "halt"


class FileSignal(StrEnum):
    """The signal that a mission file's run takes from its threads."""

    THREAD_STANDS = "thread_stands"


class ThreadEnd(StrEnum):
    """How a thread ended. ABORT_MISSION: by its policy, it ends the mission; STOPPED: the mission stopped it."""

    DONE = "done"
    ABORTED = "aborted"
    ABORT_MISSION = "abort_mission"
    STOPPED = "stopped"


class MissionFileStart(WorkProcessStart):
    """Input of the run: what every mission has; the plan itself is in the store."""

    plan_id: str = ""
    threads: int = 1
    retry_pause: float = Field(5.0, description="seconds between two attempts of a command, in the mission's time")
    command_timeout: float = Field(60.0, description="seconds, for a command that names none")
    inactive_timeout: float = Field(30.0, description="seconds for each command that brings an instrument to INACTIVE")
    time_scale: float = Field(1.0, description="how many times as fast the mission's time goes (demos and tests)")


class Place(Contract):
    """Where in a sequence a thread is: before this attempt of this command."""

    sequence: Sequence
    index: int
    attempt: int = 1


class NextStart(Contract):
    """When a timed thread's sequence starts. `at`: in real time, seconds since 1970.

    `due`: the same in the mission's time, ISO 8601, from which the grid goes on; reckoned back from the other it would
    not be exact.
    """

    at: float
    due: str


class ThreadStart(Contract):
    """Input of a thread's run; after `continue-as-new` with what was before it."""

    work_process_id: int
    number: int
    timed: bool
    retry_pause: float
    command_timeout: float
    inactive_timeout: float
    time_scale: float
    cancel_resend_interval: float
    cancel_attempts: int
    task_queues: TaskQueues
    details_url: str = ""
    instrument_ids: list[int] = Field(default_factory=list, description="its instruments: agents, in the file's order")
    pre_done: bool = False
    loop: int = Field(0, description="sequences that have ended")
    start: NextStart | None = Field(None, description="of a timed thread's next sequence")
    commands: int = Field(0, description="how many attempts of commands were made: each has a number of its own")
    place: Place | None = Field(None, description="in the midst of a sequence; none: between two")
    unconfirmed: list[int] = Field(default_factory=list, description="commands whose devices never confirmed a cancel")
    paused: bool = False
    pause_number: int = 0
    halted: bool = False


class ThreadEnded(Contract):
    """Result of a thread's run. `error`: why it was aborted."""

    end: ThreadEnd
    error: str = ""
    unconfirmed: list[int] = Field(default_factory=list, description="commands whose devices never confirmed a cancel")


class StartedThread(Contract):
    """A thread that is to run."""

    number: int
    timed: bool
    instrument_ids: list[int]

    @classmethod
    def of(cls, thread: ThreadPlan, devices: Mapping[str, int]) -> "StartedThread":
        """`devices`: the agents' ids, by the ids that the plan writes."""
        instruments = [devices[name] for name in thread.instruments]
        return cls(number=thread.number, timed=thread.timing is not None, instrument_ids=instruments)


class ThreadsStarted(Contract):
    """SUPERSEDED: a cancel came first; with threads: they had been started before it."""

    outcome: Outcome
    threads: list[StartedThread] = Field(default_factory=list)


class StartThreads(ActivityInput):
    """The mission has its instruments: start its threads."""


class TakeOverThreads(ActivityInput):
    """The threads' runs are ended with the one that started them: this run answers for their commands."""


class ThreadsTakenOver(Contract):
    """The threads that had started, now ended; and their commands that may be at devices."""

    threads: list[StartedThread] = Field(default_factory=list)
    under_way: list[int] = Field(default_factory=list, description="assignments")


class DisarmThreads(Contract):
    """The timed threads have ended: what is raised from now on is nobody's."""

    work_process_id: int


class ThreadCall(Contract):
    """What the activities of one thread know."""

    work_process_id: int
    number: int


class LoadThread(ThreadCall):
    """What is the thread to do? `begins`: it has no start yet; else it goes on as a new run."""

    begins: bool


class LoadedThread(Contract):
    """`start`: the first one of a timed thread that has none yet."""

    plan: ThreadPlan
    start: NextStart | None = None


class ShowThread(ThreadCall):
    """What a thread does that no other activity tells of. `command`: as the file says it."""

    status: ThreadStatus
    command: str = ""


class BeginSequence(ThreadCall):
    """A mission sequence starts: the `loop`th; `event`: what it was started by."""

    loop: int
    event: str = ""


class SequenceBegun(Contract):
    """SUPERSEDED: the mission is being stopped, and none begins."""

    outcome: Outcome


class EndSequence(ThreadCall):
    """A mission sequence has ended well. `last`: no other one follows."""

    loop: int
    last: bool
    due: str | None = Field(None, description="when it was due, of a timed thread: in the mission's time, ISO 8601")


class SequenceEnded(Contract):
    """When the next sequence of a timed thread starts; none: it was the last."""

    start: NextStart | None = None


class EndThread(ThreadCall):
    """A thread has ended. `error`: why it was aborted."""

    end: ThreadEnd
    error: str = ""


class SendCommand(ThreadCall):
    """Send one attempt of a command. `serial`: its number among all that the thread sends."""

    sequence: Sequence
    index: int
    serial: int


class CommandSent(Contract):
    """DONE: `assignment_id` is at its agent; `ended`: it has ended already, so.

    FAILED: it was not sent, `error` says why; SUPERSEDED: the mission is being stopped.
    """

    outcome: Outcome
    assignment_id: int = 0
    ended: str = ""
    error: str = ""


class CheckCommand(Contract):
    """Look what came of a command: of one that failed, or one that sets or gets a value. `number`: its thread."""

    work_process_id: int
    number: int | None
    assignment_id: int


class CommandChecked(Contract):
    """`error` is empty if all is well, or it has not `ended`."""

    ended: bool
    status: str = ""
    error: str = ""


class CancelCommand(Contract):
    """Cancel a command that took too long, or whose thread is stopped; again if its agent does not confirm."""

    work_process_id: int
    assignment_id: int


class BringToInactive(Contract):
    """Send the next command of those that bring an instrument to INACTIVE. `sent`: how many were sent before.

    `number`: the thread that does it; none: the mission itself.
    """

    work_process_id: int
    number: int | None
    agent_id: int
    sent: int
    run: int = Field(0, description="tells the commands of a run that takes over from those of the one before it")


class TakeEvent(ThreadCall):
    """Take the oldest event that was raised for the thread. `served`: how many it has taken before."""

    served: int


class EventTaken(Contract):
    """`event` empty: none yet, `event_raised` follows; `over`: none will come."""

    event: str = ""
    over: bool = False


class BeginAbort(ActivityInput):
    """The mission is being aborted. `cancel`: as somebody asked the engine; none: `reason`, a thread's policy."""

    cancel: CancelRequest | None = None
    reason: str = ""
    halt: bool = False


class ThreadStands(Contract):
    """A thread has nothing under way, as the pause with this number wishes."""

    number: int
    pause_number: int


class EventRaised(Contract):
    """Something happened that the thread waits for: take it."""
