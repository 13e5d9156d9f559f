"""The events of a mission file's run, with the words that readers of platform agents' events know."""

from datetime import UTC, datetime

from missions.event_catalogue import event
from missions.event_payloads.base import Payload
from missions.event_payloads.mission_file import (
    ExecutionStatus,
    MissionLoadError,
    MissionSequenceStarted,
    MissionSequenceStopped,
    MissionStarted,
    MissionStarting,
    MissionStopped,
    MissionStopping,
    MissionThreadStarted,
    MissionThreadStopped,
    Scope,
    SubType,
)
from missions.events import EventSource, NewEvent
from missions.principals import MUSTER, Principal
from missions.statuses import Severity

_SEVERITIES = {
    ExecutionStatus.OK: Severity.INFO,
    ExecutionStatus.ABORTED: Severity.WARNING,
    ExecutionStatus.FAILED: Severity.ERROR,
}


def load_error(platform: str, plan_id: str, description: str, *, actor: Principal) -> NewEvent:
    """The file was refused."""
    payload = MissionLoadError(origin=platform, plan_id=plan_id, description=description)
    return event(payload, source=EventSource.API, actor=actor)


class Lifecycle:
    """Makes the events of one run. `platform`: its uuid; `plan_id`: the client's id of the mission."""

    def __init__(self, platform: str, plan_id: str) -> None:
        self._platform, self._plan_id = platform, plan_id

    def starting(self, *, actor: Principal) -> NewEvent:
        """The mission is accepted."""
        return _event(
            MissionStarting(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STARTING,
                description=f"Mission {self._plan_id} is about to start execution",
            ),
            source=EventSource.API,
            actor=actor,
        )

    def started(self) -> NewEvent:
        """All threads have started."""
        return _event(
            MissionStarted(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STARTED,
                description=f"Mission {self._plan_id} has started",
            )
        )

    def stopping(self, *, source: str, actor: Principal) -> NewEvent:
        """Its abort begins."""
        return _event(
            MissionStopping(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STOPPING,
                execution_status=ExecutionStatus.ABORTED,
                description=f"Mission {self._plan_id} abort sequence has started",
            ),
            source=source,
            actor=actor,
        )

    def ended(self) -> NewEvent:
        """Every thread has ended normally."""
        return self._stopped(ExecutionStatus.OK, f"Mission {self._plan_id} has exited normally")

    def aborted(self) -> NewEvent:
        """The abort is complete."""
        return self._stopped(ExecutionStatus.ABORTED, "")

    def failed(self, why: str) -> NewEvent:
        """It could not be run."""
        return self._stopped(ExecutionStatus.FAILED, f"Mission {self._plan_id} has failed. {why}")

    def threads_failed(self, completed: int, aborted: int) -> NewEvent:
        """Every thread has ended, some of them by an error."""
        return self.failed(
            f"{completed} mission threads completed successfully, {aborted} mission threads aborted",
        )

    def _stopped(self, status: ExecutionStatus, description: str) -> NewEvent:
        return _event(
            MissionStopped(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STOPPED,
                execution_status=status,
                description=description,
            ),
            severity=_SEVERITIES[status],
        )

    def thread_started(self, number: int) -> NewEvent:
        """A thread starts."""
        return _event(
            MissionThreadStarted(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STARTED,
                mission_thread_id=str(number),
                scope=Scope.THREAD,
                description=f"Mission thread {number} has started",
            )
        )

    def thread_ended(self, number: int) -> NewEvent:
        """A thread ended normally."""
        return self._thread_stopped(number, f"Mission thread {number} has exited normally", None)

    def thread_failed(self, number: int, error: str) -> NewEvent:
        """A command of the thread failed, and its policy ends the thread."""
        return self._thread_stopped(number, error, Severity.ERROR)

    def thread_stopped(self, number: int) -> NewEvent:
        """The mission's abort ends the thread."""
        return self._thread_stopped(number, "", Severity.WARNING)

    def _thread_stopped(self, number: int, description: str, severity: Severity | None) -> NewEvent:
        return _event(
            MissionThreadStopped(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STOPPED,
                execution_status=ExecutionStatus.OK if severity is None else ExecutionStatus.FAILED,
                mission_thread_id=str(number),
                scope=Scope.THREAD,
                description=description,
            ),
            severity=severity,
        )

    def sequence_started(self, number: int, loop: int, trigger: str = "") -> NewEvent:
        """A mission sequence starts. `trigger`: the event that it was waited for."""
        received = f"Event {trigger} received! " if trigger else ""
        return _event(
            MissionSequenceStarted(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STARTED,
                mission_thread_id=str(number),
                scope=Scope.SEQUENCE,
                loop=loop,
                description=f"{received}MissionSequence starting...",
            )
        )

    def loop_ended(self, number: int, loop: int, quantity: int, next_start: datetime | None) -> NewEvent:
        """A timed mission sequence ended. `quantity`: how many there are; `next_start`: none for the last."""
        words = f"MissionSequence loop {loop} of {quantity} complete."
        if next_start is not None:
            words += f" Next start at {next_start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return self._sequence_stopped(number, loop, words)

    def event_served(self, number: int, loop: int, trigger: str, *, last: bool) -> NewEvent:
        """An event's mission sequence ended. `last`: the thread waits for no more."""
        waits = "" if last else f" Waiting for {trigger}"
        return self._sequence_stopped(number, loop, f"MissionSequence complete.{waits}")

    def _sequence_stopped(self, number: int, loop: int, description: str) -> NewEvent:
        return _event(
            MissionSequenceStopped(
                origin=self._platform,
                plan_id=self._plan_id,
                sub_type=SubType.STOPPED,
                mission_thread_id=str(number),
                scope=Scope.SEQUENCE,
                loop=loop,
                description=description,
            )
        )


def _event(
    payload: Payload,
    *,
    source: str = EventSource.MISSION_WORKER,
    actor: Principal = MUSTER,
    severity: Severity | None = None,
) -> NewEvent:
    return event(payload, source=source, actor=actor, severity=severity)
