"""The typed contracts between workflows and activities: names, inputs, results. Small: ids instead of data.

Every field that is added later needs a default: runs of the version before it are still on their way.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from missions.errors import Failure
from missions.recipes import MissionOptions, stored_options

WORK_PROCESS = "WorkProcess"
"""The workflow type of a mission."""

MISSION_QUEUE = "MissionQueue"
"""The workflow type of a queue of missions."""


class Activity(StrEnum):
    """The activities of every mission; a recipe's own activity types are called by their `uses` name."""

    RESERVE_AGENTS = "reserve_agents"
    REQUEUE_RESERVATION = "requeue_reservation"
    TAKE_SLOT = "take_slot"
    DISPATCH_ASSIGNMENTS = "dispatch_assignments"
    CHECK_ASSIGNMENTS = "check_assignments"
    RESEND_ASSIGNMENT = "resend_assignment"
    RAISE_ATTENTION = "raise_attention"
    NOTE_PAUSE = "note_pause"
    SETTLE_FAILED_ASSIGNMENT = "settle_failed_assignment"
    STOP_MISSION = "stop_mission"
    RESEND_CANCELS = "resend_cancels"
    FINISH_MISSION = "finish_mission"
    END_ATTEMPT = "end_attempt"
    PAUSE_AGENTS = "pause_agents"
    RESERVE_SUBSTITUTE = "reserve_substitute"
    REASSIGN_ASSIGNMENT = "reassign_assignment"
    REQUEST_NATIVE_CANCEL = "request_native_cancel"


class Signal(StrEnum):
    """The signals that a mission's workflow takes, from the `wakeups` table; `cancel` and `halt` from anybody."""

    AGENTS_GRANTED = "agents_granted"
    AGENTS_READY = "agents_ready"
    SLOT_GRANTED = "slot_granted"
    ASSIGNMENT_ENDED = "assignment_ended"
    ASSIGNMENT_STARTED = "assignment_started"
    PAUSE = "pause"
    CANCEL = "cancel"
    HALT = "halt"
    CANCEL_ASSIGNMENT = "cancel_assignment"
    AGENT_TOLD = "agent_told"
    AGENT_SILENT = "agent_silent"
    AGENT_FREED = "agent_freed"
    AGENT_LISTENS = "agent_listens"
    ASSIGNMENT_DOUBTED = "assignment_doubted"


class QueueActivity(StrEnum):
    """The activities of a mission queue's workflow."""

    ADVANCE_MISSION_QUEUE = "advance_mission_queue"
    CANCEL_MISSION_QUEUE = "cancel_mission_queue"


class QueueSignal(StrEnum):
    """The signal that a mission queue's workflow takes."""

    QUEUE_CHANGED = "queue_changed"


class Outcome(StrEnum):
    """What an activity did to the mission's row. SUPERSEDED: it found `canceling`, so the cancel path is next."""

    DONE = "done"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class Contract(BaseModel):
    """Base of all contracts: frozen, and tolerant of fields that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TaskQueues(Contract):
    """The queues of one installation; its id is in the names, so that no other one's worker takes its tasks."""

    missions: str
    steps: str

    @classmethod
    def of(cls, prefix: str, installation: str) -> "TaskQueues":
        """The names. Steps have a queue of their own: pending planners never hold up cancels and releases."""
        return cls(missions=f"{prefix}-{installation}", steps=f"{prefix}-{installation}-steps")


class ActivityPreset(Contract):
    """How a recipe's activity is run; resolved at dispatch and stored with the mission. Seconds."""

    start_to_close: float = 60.0
    heartbeat: float | None = None
    maximum_attempts: int = Field(0, description="0: no limit but the time-out")
    initial_interval: float = 0.5
    maximum_interval: float = 10.0
    schedule_to_close: float | None = None


class StepPlan(Contract):
    """One step of the mission's graph."""

    service_request_id: int
    step: str
    uses: str
    depends_on: list[str]
    wait_assignments: bool
    apply_result: bool
    preset: ActivityPreset


class PauseWish(Contract):
    """Pause, or go on. `number` orders the wishes: two signals may arrive the other way round."""

    paused: bool
    number: int
    immediate: bool = Field(False, description="the agents at work are told to stand still")


class Continued(Contract):
    """What a run that takes over from another one, between two attempts, knows of what was before it."""

    pause: PauseWish
    seconds_left: float | None = Field(None, description="of the mission's time-out")
    waits: str = Field("", description="why the next attempt was needed, one line for the UI")


class TakesOver(Contract):
    """What a run knows that takes over from one that was ended from outside, or that the engine does not know."""

    first_transition: int = Field(0, description="above the numbers of all status changes that were written before")
    interrupted: Failure | None = Field(None, description="why the mission ends at once; none: it goes on")
    executing: bool = Field(False, description="whether agents are, or were, at work in this attempt")
    halted: bool = Field(False, description="whether nobody waits for the agents to confirm")


class WorkProcessStart(Contract):
    """Input of the workflow: the plan, fixed at dispatch."""

    work_process_id: int
    attempt: int = 1
    mission_type: str = ""
    yard: str = ""
    priority: int = 20
    agents: list[str] = Field(default_factory=list, description="uuids, as many as the engine can show")
    details_url: str = Field("", description="the mission in the API, for the Temporal UI")
    start_at: str | None = Field(None, description="this attempt, not before: ISO 8601 with zone")
    reserves: bool = Field(True, description="whether agents are reserved first")
    takes_slot: bool = Field(False, description="whether it has no agents, so that the limits on these hold for it")
    steps: list[StepPlan]
    options: Annotated[MissionOptions, BeforeValidator(stored_options)] = Field(default_factory=MissionOptions)
    ready_timeout: float = 20.0
    reserve_resend_interval: float = 3.0
    cancel_resend_interval: float = 10.0
    cancel_attempts: int = 3
    task_queues: TaskQueues
    mission_queue_id: int | None = Field(None, description="for the Temporal UI")
    max_retries: int = Field(0, description="attempts in all")
    continued: Continued | None = None
    takes_over: TakesOver | None = None


class MissionQueueStart(Contract):
    """Input of a queue's workflow. All else is in its row, which the workflow looks at in each of its turns."""

    mission_queue_id: int
    name: str = ""
    details_url: str = Field("", description="the queue in the API, for the Temporal UI")
    task_queues: TaskQueues


# --- Signals -----------------------------------------------------------------------------------------------------


class AgentsGranted(Contract):
    """The waiting request got its agents."""

    attempt: int


class AgentsReady(Contract):
    """Every agent of the reservation answered `ready`. `round`: which reserve messages they answered."""

    attempt: int
    round: int


class SlotGranted(Contract):
    """A mission without agents may run now."""

    attempt: int


class AssignmentEnded(Contract):
    """An agent's last word on an assignment; its result stays in the store."""

    assignment_id: int
    status: str


class AssignmentStarted(Contract):
    """The first report on an assignment whose publishing had an unknown outcome."""

    assignment_id: int


class AssignmentDoubted(Contract):
    """Its agent checked in anew without a word of this assignment: nobody knows whether it has it."""

    assignment_id: int


class AgentListens(Contract):
    """The agent of an assignment that came back has checked in, or speaks again: it may be listening."""

    assignment_id: int


def _storable(text: object) -> object:
    """Text without what PostgreSQL refuses, and not longer than a client's reason may be."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:10_000] if isinstance(text, str) else text


class CancelRequest(Contract):
    """The workflow's signals `cancel` and `halt`: who asks, and why."""

    reason: Annotated[str, BeforeValidator(_storable)] = ""
    requested_by: Annotated[str, BeforeValidator(_storable)] = "temporal"

    @classmethod
    def of_signal(cls, said: Sequence[Any]) -> "CancelRequest":
        """What a signal's inputs say: people write these by hand, and in whatever form, they mean a cancel."""
        first = said[0] if said else None
        try:
            return cls.model_validate(first or {})
        except ValidationError:
            return cls(reason=str(first))


class QueueChanged(Contract):
    """A queue's row, or a mission of it, has changed: look again. `why`: one line for the UI."""

    why: str = ""


class AgentSilence(Contract):
    """An assignment's agent has been silent for too long, as `text` says; or it speaks again."""

    assignment_id: int
    silent: bool = True
    text: str = ""


class AgentFreed(Contract):
    """An agent that could take over this silent agent's assignment is free; somebody else may have it by now."""

    assignment_id: int


class AssignmentCancelWish(Contract):
    """Somebody cancelled this assignment alone; its row says `canceling`."""

    assignment_id: int


class AgentTold(Contract):
    """An instant action of the mission went out, or came back."""

    instant_action_id: int
    listening: bool = True


# --- Activities --------------------------------------------------------------------------------------------------


class ActivityInput(Contract):
    """What every mission activity knows. `transition`: the number of its first status change, for idempotency."""

    work_process_id: int
    attempt: int
    transition: int


class ReserveAgents(ActivityInput):
    """Ask for the mission's agents, and send `reserve_for_mission` once they are granted."""


class RequeueReservation(ActivityInput):
    """The agents did not answer in time: put the request back at its old place, or fail."""

    round: int


class Reserved(Contract):
    """WAITING: in line, a grant will wake. DONE: granted and reserve sent; `ready`: nobody's answer is needed."""

    outcome: Outcome
    ready: bool = False
    round: int = 0
    waiting: str = Field("", description="why it waits, one line for the UI")
    failure: Failure | None = None
    chosen: list[str] = Field(
        default_factory=list, description="uuids, if the system chose them; as many as the engine can show"
    )


class TakeSlot(ActivityInput):
    """Ask whether one more mission without agents may run, or get in line."""


class SlotTaken(Contract):
    """WAITING: in line, `slot_granted` follows; `waiting`: why, one line for the UI. DONE: it may run."""

    outcome: Outcome
    waiting: str = ""


class RunStep(ActivityInput):
    """Run one step's activity type; what it needs and what it answers are in the service request's row."""

    service_request_id: int
    step: str


class StepRan(Contract):
    """FAILED carries the reason. `has_results`: there is something to turn into assignments.

    `skipped`: later steps of the mission that will not run; their rows say so already.
    """

    outcome: Outcome
    has_results: bool = False
    skipped: list[str] = Field(default_factory=list)
    failure: Failure | None = None


class DispatchAssignments(ActivityInput):
    """Send one group of a step's assignments; group 0 first turns the answer into rows."""

    service_request_id: int
    step: str
    group: int
    released: list[int] = Field(default_factory=list, description="agents that get nothing more from this mission")
    replaced: dict[int, int] = Field(default_factory=dict, description="silent agents, and who gets what was theirs")
    again: bool = Field(False, description="the group was sent before, but for some of it")
    last_try: list[int] = Field(default_factory=list, description="assignments that fail if they come back once more")


class AssignmentsDispatched(Contract):
    """`sent`: ids in this group; of these `unconfirmed`: with unknown outcome, `ended`: over already.

    `unheard`: of these, came back, since their agents do not listen; `agent_listens` follows.
    """

    outcome: Outcome
    groups: int = 0
    sent: list[int] = Field(default_factory=list)
    unconfirmed: list[int] = Field(default_factory=list)
    unheard: list[int] = Field(default_factory=list)
    ended: dict[str, str] = Field(default_factory=dict)
    agents: str = Field("", description="who got them, one line for the UI")
    failure: Failure | None = None


class CheckAssignments(Contract):
    """Read the reports of these assignments from the store."""

    assignment_ids: list[int]


class AssignmentsChecked(Contract):
    """Status by assignment id (as text: JSON keys are)."""

    statuses: dict[str, str]


class ResendAssignment(ActivityInput):
    """Publish an assignment of unknown outcome once more, under the same id."""

    assignment_id: int


class RaiseAttention(ActivityInput):
    """Say that a person should look."""

    code: str
    text: str
    assignment_id: int | None = None


class NotePause(ActivityInput):
    """The mission holds: show it as paused, if that is still wished."""

    agents_told: bool = Field(False, description="an immediate pause: each agent at work was told to stand still")


class PauseAgents(ActivityInput):
    """Tell the agents that are at work for the mission to stand still, if that is still wished."""


class AgentsPaused(Contract):
    """The instant actions that tell them so; each is signalled once it went out."""

    instant_action_ids: list[int] = Field(default_factory=list)


class ReserveSubstitute(ActivityInput):
    """Find and reserve an agent that fits, in place of a silent one; `refused`: agents that did not answer."""

    assignment_id: int
    refused: list[int] = Field(default_factory=list)


class SubstituteReserved(Contract):
    """DONE: `agent_id` was sent a reserve, to be answered in `round`. FAILED: none is needed.

    WAITING: nobody fits, and `agent_freed` follows; or the mission reserves no agents, and waits for the silent one.
    """

    outcome: Outcome
    agent_id: int | None = None
    ready: bool = False
    round: int = 0


class ReassignAssignment(ActivityInput):
    """Give up a silent agent's assignment, and plan its data for the substitute, to be sent with its group."""

    assignment_id: int
    agent_id: int


class AssignmentReassigned(Contract):
    """DONE: it was given up for the one with `assignment_id`. FAILED: no more; it has ended, or is `canceling`."""

    outcome: Outcome
    status: str = ""
    assignment_id: int | None = None
    released: int | None = None


class SettleFailedAssignment(ActivityInput):
    """Do what the failure policy of a failed assignment says."""

    assignment_id: int
    given_up: str = Field("", description="why it counts as failed though its agent has not ended it")


class AssignmentSettled(Contract):
    """FAILED: its policy fails the mission. DONE: the mission goes on without it, and without these."""

    outcome: Outcome
    status: str = ""
    canceled: list[int] = Field(default_factory=list, description="other assignments of its released agent")
    released: int | None = Field(None, description="the agent, if it was released")


class StopMission(ActivityInput):
    """Stop what runs: service requests, assignments. With a failure: the mission failed; without: it is cancelled."""

    failure: Failure | None = None
    cancel: CancelRequest | None = None
    halt: bool = Field(False, description="the agents' confirmations are not awaited")
    will_retry: bool = Field(False, description="only this attempt failed: another one follows")


class MissionStopped(Contract):
    """`awaited`: assignments whose agents still have to confirm."""

    outcome: Outcome
    awaited: list[int] = Field(default_factory=list)


class ResendCancels(Contract):
    """Send `assignment_cancel` again to the agents that have not confirmed."""

    work_process_id: int
    assignment_ids: list[int]


class FinishMission(ActivityInput):
    """Release the agents and write the last status."""

    status: str
    failure: Failure | None = None
    unconfirmed: list[int] = Field(default_factory=list, description="assignments never confirmed as stopped")
    halted: bool = Field(False, description="nobody waited for the confirmations")


class MissionFinished(Contract):
    """SUPERSEDED: a cancel won; nothing was written."""

    outcome: Outcome
    status: str = ""


class EndAttempt(ActivityInput):
    """An attempt failed, and another one follows: release the agents, plan the next one."""

    failure: Failure
    options: Annotated[MissionOptions, BeforeValidator(stored_options)] = Field(default_factory=MissionOptions)
    unconfirmed: list[int] = Field(default_factory=list, description="assignments never confirmed as stopped")


class AttemptEnded(Contract):
    """DONE: the attempt with `number` begins at `start_at` (ISO 8601), with these steps. SUPERSEDED: a cancel won."""

    outcome: Outcome
    number: int = 0
    start_at: str | None = None
    waits: str = Field("", description="why another one is needed, one line for the UI")
    steps: list[StepPlan] = Field(default_factory=list)


class RequestNativeCancel(Contract):
    """Ask the engine to cancel this very run, so that it ends CANCELED whoever asked."""

    reason: str


class AdvanceMissionQueue(Contract):
    """Look at a queue and take its next step, if there is one to take."""

    mission_queue_id: int


class QueueAdvanced(Contract):
    """`over`: the queue is idle, its run ends. Else it waits: for `start_at` (ISO 8601) at most, if given."""

    status: str
    over: bool = False
    start_at: str | None = None
    waiting: str = Field("", description="what it waits for, one line for the UI")


class CancelMissionQueue(Contract):
    """Somebody cancelled the queue's run in the engine: that cancels the queue."""

    mission_queue_id: int
    reason: str = ""


def json_object(model: BaseModel) -> dict[str, Any]:
    """A contract as plain JSON, for the `wakeups` table."""
    return model.model_dump(mode="json")
