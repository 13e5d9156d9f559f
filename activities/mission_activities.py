"""All activities of a worker, by the task queue that they run on."""

from collections.abc import Callable, Sequence
from typing import Any

from activities.advance_mission_queue import QueueTurns
from activities.check_assignments import Checker
from activities.dispatch_assignments import Dispatcher
from activities.end_attempt import AttemptEnder
from activities.finish_mission import Finisher
from activities.mission_files.begin_abort import AbortBeginner
from activities.mission_files.command import ThreadCommands
from activities.mission_files.platform_command import PlatformCommands
from activities.mission_files.take_over import ThreadSuccessor
from activities.mission_files.threads import Threads
from activities.mission_files.to_inactive import ToInactive
from activities.mission_files.triggers import Triggers
from activities.parts import Parts
from activities.pause_mission import Pauses
from activities.reassign_assignment import Reassigner
from activities.registry import activity_types
from activities.request_native_cancel import NativeCancel
from activities.reserve_agents import Reservations
from activities.run_step import as_activity
from activities.settle_failed_assignment import Settler
from activities.stop_mission import Stopper
from activities.take_slot import SlotTaker

Activities = Sequence[Callable[..., Any]]


def mission_activities(parts: Parts) -> Activities:
    """The short activities of every mission, and of queues."""
    reservations, dispatcher, checker = Reservations(parts), Dispatcher(parts), Checker(parts)
    reassigner, queues = Reassigner(parts), QueueTurns(parts)
    stopper, finisher, native_cancel, pauses = Stopper(parts), Finisher(parts), NativeCancel(parts), Pauses(parts)
    return [
        reservations.reserve_agents,
        reservations.requeue_reservation,
        SlotTaker(parts).take_slot,
        dispatcher.dispatch_assignments,
        dispatcher.resend_assignment,
        checker.check_assignments,
        checker.raise_attention,
        pauses.pause_agents,
        pauses.note_pause,
        reassigner.reserve_substitute,
        reassigner.reassign_assignment,
        Settler(parts).settle_failed_assignment,
        stopper.stop_mission,
        stopper.resend_cancels,
        finisher.finish_mission,
        AttemptEnder(parts).end_attempt,
        native_cancel.request_native_cancel,
        queues.advance_mission_queue,
        queues.cancel_mission_queue,
        *_of_mission_files(parts),
    ]


def _of_mission_files(parts: Parts) -> Activities:
    threads, commands, triggers = Threads(parts), ThreadCommands(parts), Triggers(parts)
    of_platforms = PlatformCommands(parts)
    return [
        threads.start_threads,
        threads.load_thread,
        threads.show_thread,
        threads.begin_sequence,
        threads.end_sequence,
        threads.end_thread,
        commands.send_command,
        commands.check_command,
        commands.cancel_command,
        ToInactive(parts).bring_to_inactive,
        triggers.arm_thread,
        triggers.take_event,
        triggers.disarm_threads,
        AbortBeginner(parts).begin_abort,
        ThreadSuccessor(parts).take_over_threads,
        of_platforms.send_platform_command,
        of_platforms.settle_platform_command,
    ]


def step_activities(parts: Parts) -> Activities:
    """The activity types of recipes; on a queue of their own, so that pending planners never hold up a release."""
    return [as_activity(kind, parts) for kind in activity_types().values()]
