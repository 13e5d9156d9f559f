"""Every type of event: its payload, when it comes, how much it matters and who produces it. One table."""

from collections.abc import Mapping
from dataclasses import dataclass

from missions.event_payloads import (
    agent,
    assignment,
    configuration,
    mission_file,
    mission_queue,
    service_request,
    task,
    work_process,
)
from missions.event_payloads.base import Payload
from missions.events import EventSource, EventType, NewEvent
from missions.principals import Principal
from missions.statuses import Severity

AGENT = "agent:<uuid>"
API, QUEUE, WORKER = EventSource.API.value, EventSource.QUEUE.value, EventSource.MISSION_WORKER.value
INFO, WARNING, ERROR, CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL


@dataclass(frozen=True)
class Described:
    """One type of event. `when`: it comes; the first of the `severities` is the usual one."""

    payload: type[Payload]
    when: str
    sources: tuple[str, ...] = (WORKER,)
    severities: tuple[Severity, ...] = (INFO,)


CATALOGUE: Mapping[EventType, Described] = {
    EventType.TASK_CREATED: Described(
        task.TaskCreated,
        "a mission is dispatched for the first time; never for a draft",
        (API, AGENT, QUEUE, WORKER),
    ),
    EventType.TASK_STARTED: Described(
        task.TaskStarted, "an attempt got its agents, or needs none; once for each attempt"
    ),
    EventType.TASK_COMPLETED: Described(task.TaskCompleted, "the mission succeeded; its last `task.*` event"),
    EventType.TASK_FAILED: Described(
        task.TaskFailed,
        "an attempt failed. WARNING: another one follows; CRITICAL: retries were asked for and are used up; ERROR: "
        "none were asked for, or such a failure is not tried again",
        severities=(ERROR, WARNING, CRITICAL),
    ),
    EventType.TASK_RETRYING: Described(task.TaskRetrying, "right after a `task.failed` with `will_retry`"),
    EventType.TASK_CANCELLED: Described(
        task.TaskCancelled, "the cancel is done and the agents are released; the mission's last `task.*` event"
    ),
    EventType.WORK_PROCESS_CREATED: Described(
        work_process.WorkProcessCreated, "a mission is written down, as a draft at first", (API, AGENT, WORKER)
    ),
    EventType.WORK_PROCESS_UPDATED: Described(work_process.WorkProcessUpdated, "a draft is edited", (API,)),
    EventType.WORK_PROCESS_STATUS_CHANGED: Described(
        work_process.WorkProcessStatusChanged,
        "a mission's status changes. ERROR: to `failed`, and to `planning_failed` or `assignment_failed` if no other "
        "attempt follows",
        (WORKER, API, AGENT, QUEUE),
        (INFO, ERROR),
    ),
    EventType.WORK_PROCESS_WAITING: Described(
        work_process.WorkProcessWaiting,
        "a mission begins to wait; not again when the reasons change. WARNING: for a service that is not healthy",
        severities=(INFO, WARNING),
    ),
    EventType.WORK_PROCESS_AGENTS_CHOSEN: Described(
        work_process.WorkProcessAgentsChosen, "agents are granted to a mission that names an `agentSelector`"
    ),
    EventType.WORK_PROCESS_PAUSE_REQUESTED: Described(
        work_process.WorkProcessPauseRequested, "a mission is asked to pause", (API,)
    ),
    EventType.WORK_PROCESS_PAUSED: Described(work_process.WorkProcessPaused, "the pause holds"),
    EventType.WORK_PROCESS_RESUMED: Described(work_process.WorkProcessResumed, "a paused mission goes on", (API,)),
    EventType.WORK_PROCESS_HALT_REQUESTED: Described(
        work_process.WorkProcessHaltRequested,
        "a mission is halted: cancelled without waiting for its agents",
        (API,),
        (WARNING,),
    ),
    EventType.WORK_PROCESS_ATTENTION_RAISED: Described(
        work_process.WorkProcessAttentionRaised, "something of a mission needs a person", severities=(WARNING,)
    ),
    EventType.WORK_PROCESS_ATTENTION_CLEARED: Described(
        work_process.WorkProcessAttentionCleared, "what was raised is over"
    ),
    EventType.SERVICE_REQUEST_STATUS_CHANGED: Described(
        service_request.ServiceRequestStatusChanged,
        "the request of a step goes out, is pending, ends, or is skipped. ERROR: it failed",
        severities=(INFO, ERROR),
    ),
    EventType.ASSIGNMENT_CREATED: Described(
        assignment.AssignmentCreated, "a planner's result became an assignment; it is not sent yet"
    ),
    EventType.ASSIGNMENT_STATUS_CHANGED: Described(
        assignment.AssignmentStatusChanged,
        "an assignment's status changes: by its agent's report, its mission or a cancel. ERROR: it failed; WARNING: "
        "nobody knows whether its agent, which checked in anew, has it",
        (AGENT, WORKER, API),
        (INFO, WARNING, ERROR),
    ),
    EventType.ASSIGNMENT_REASSIGNED: Described(
        assignment.AssignmentReassigned, "another agent takes a silent agent's assignment", severities=(WARNING,)
    ),
    EventType.ASSIGNMENT_LATE_REPORT: Described(
        assignment.AssignmentLateReport, "an agent reports on what has ended otherwise", (AGENT,), (WARNING,)
    ),
    EventType.AGENT_REGISTERED: Described(
        agent.AgentRegistered, "an agent checks in for the first time, or a client registers it", (AGENT, API)
    ),
    EventType.AGENT_UPDATED: Described(agent.AgentUpdated, "an agent's lasting fields change", (AGENT, API)),
    EventType.AGENT_CHECKED_IN: Described(agent.AgentCheckedIn, "an agent checks in to a yard", (AGENT,)),
    EventType.AGENT_CHECKED_OUT: Described(agent.AgentCheckedOut, "an agent checks out of its yard", (AGENT,)),
    EventType.AGENT_STATUS_CHANGED: Described(
        agent.AgentStatusChanged, "an agent reports another status than before", (AGENT,)
    ),
    EventType.AGENT_NOT_LISTENING: Described(
        agent.AgentNotListening, "a message to an agent came back, or it answered none", severities=(WARNING,)
    ),
    EventType.AGENT_INSTANT_ACTION_REQUESTED: Described(
        agent.AgentInstantActionRequested, "a client or a mission has a command for an agent", (API, WORKER)
    ),
    EventType.AGENT_INSTANT_ACTION_SENT: Described(agent.AgentInstantActionSent, "the command is sent"),
    EventType.AGENT_INSTANT_ACTION_NOT_DELIVERED: Described(
        agent.AgentInstantActionNotDelivered, "the command came back from the broker", severities=(WARNING,)
    ),
    EventType.AGENT_INSTANT_ACTION_ACKNOWLEDGED: Described(
        agent.AgentInstantActionAcknowledged, "the agent says what became of the command; its first word", (AGENT,)
    ),
    EventType.AGENT_RATE_LIMITED: Described(
        agent.AgentRateLimited, "an agent goes above its limit; once until it is quiet again", (AGENT,), (WARNING,)
    ),
    EventType.AGENT_QUARANTINED: Described(
        agent.AgentQuarantined, "an agent may still be at work for a mission that ended", severities=(WARNING,)
    ),
    EventType.AGENT_QUARANTINE_CLEARED: Described(
        agent.AgentQuarantineCleared, "the agent reports `free`, or an operator clears it", (AGENT, API)
    ),
    EventType.AGENT_PLATFORM_STATE_CHANGED: Described(
        agent.AgentPlatformStateChanged,
        "a platform's state changes: by a command, or as its first mission begins or its last one ends",
        (WORKER, API),
    ),
    EventType.AGENT_INSTRUMENT_STATE_CHANGED: Described(
        agent.AgentInstrumentStateChanged, "an instrument reports another state than before", (AGENT,)
    ),
    EventType.MISSION_STARTING: Described(
        mission_file.MissionStarting, "a mission file is accepted; it may still wait for its instruments", (API,)
    ),
    EventType.MISSION_STARTED: Described(mission_file.MissionStarted, "all threads of a mission file have started"),
    EventType.MISSION_STOPPING: Described(
        mission_file.MissionStopping,
        "a mission file is aborted: by somebody, or by the policy of a command that failed",
        (WORKER, API),
        (WARNING,),
    ),
    EventType.MISSION_STOPPED: Described(
        mission_file.MissionStopped,
        "a mission file has ended. WARNING: it was aborted; ERROR: it, or a thread of it, failed",
        severities=(INFO, WARNING, ERROR),
    ),
    EventType.MISSION_THREAD_STARTED: Described(mission_file.MissionThreadStarted, "a thread starts"),
    EventType.MISSION_THREAD_STOPPED: Described(
        mission_file.MissionThreadStopped,
        "a thread has ended. WARNING: it was stopped with its mission; ERROR: a command failed",
        severities=(INFO, WARNING, ERROR),
    ),
    EventType.MISSION_SEQUENCE_STARTED: Described(
        mission_file.MissionSequenceStarted, "a thread's mission sequence starts: its time, or its event, has come"
    ),
    EventType.MISSION_SEQUENCE_STOPPED: Described(
        mission_file.MissionSequenceStopped, "a thread's mission sequence has ended well"
    ),
    EventType.MISSION_LOAD_ERROR: Described(
        mission_file.MissionLoadError, "a mission file is refused; nothing is run", (API,), (ERROR,)
    ),
    EventType.MISSION_QUEUE_CREATED: Described(mission_queue.MissionQueueCreated, "a queue is made", (API,)),
    EventType.MISSION_QUEUE_UPDATED: Described(mission_queue.MissionQueueUpdated, "a queue's fields change", (API,)),
    EventType.MISSION_QUEUE_STATUS_CHANGED: Described(
        mission_queue.MissionQueueStatusChanged,
        "a queue's status changes. ERROR: it stops because of a mission's end",
        (API, QUEUE, WORKER),
        (INFO, ERROR),
    ),
    EventType.MISSION_QUEUE_MISSION_STARTED: Described(
        mission_queue.MissionQueueMissionStarted, "a queue dispatches its next mission", (QUEUE,)
    ),
    EventType.MISSION_QUEUE_DELETED: Described(mission_queue.MissionQueueDeleted, "a queue is deleted", (API,)),
    EventType.QUEUE_LIMITS_CHANGED: Described(
        configuration.QueueLimitsChanged,
        "the limit on all missions without agents changes; a recipe's own: `recipe.changed`",
        (API,),
    ),
    EventType.RECIPE_CHANGED: Described(
        configuration.RecipeChanged, "a recipe is created, replaced or deleted", (API,)
    ),
    EventType.SERVICE_CHANGED: Described(
        configuration.ServiceChanged, "a service is registered, changed or deleted", (API,)
    ),
    EventType.SERVICE_HEALTH_CHANGED: Described(
        configuration.ServiceHealthChanged,
        "a service's health check changes its answer. WARNING: to unhealthy",
        severities=(INFO, WARNING),
    ),
    EventType.WEBHOOK_CHANGED: Described(
        configuration.WebhookChanged, "a webhook is made, changed, enabled or deleted, or gets a new secret", (API,)
    ),
    EventType.WEBHOOK_DISABLED: Described(
        configuration.WebhookDisabled,
        "all attempts failed for too long, or the receiver wants no more (410)",
        severities=(WARNING,),
    ),
    EventType.YARD_CHANGED: Described(configuration.YardChanged, "a yard is created, changed or deleted", (API,)),
    EventType.YARD_MAP_UPDATED: Described(
        configuration.YardMapUpdated, "map objects of a yard change, or a map server answers", (API, AGENT, WORKER)
    ),
}

_TYPES: Mapping[type[Payload], EventType] = {described.payload: kind for kind, described in CATALOGUE.items()}


def event(
    payload: Payload,
    *,
    source: str,
    actor: Principal,
    severity: Severity | None = None,
    cause: NewEvent | None = None,
) -> NewEvent:
    """A new event; its type follows from its payload, and its severity is the usual one unless given."""
    kind = _TYPES[type(payload)]
    return NewEvent(
        type=kind,
        source=source,
        payload=payload.as_json(),
        actor=actor,
        severity=severity or CATALOGUE[kind].severities[0],
        cause=None if cause is None else cause.number,
    )
