"""The stored histories, and what each of them shows: what endings there are, by workflow, phase by phase.

What ends otherwise, or in another phase, gets a recorder in `scripts/histories/` and a row here.
"""

WORK_PROCESS = {
    "succeeds": {
        "with one step": "succeeded",
        "without agents": "succeeded_without_agents",
        "with agents that the system chose": "succeeded_with_agents_by_choice",
        "in two groups": "succeeded_in_two_groups",
        "in a graph of steps": "succeeded_in_a_diamond_of_steps",
        "with skipped steps": "succeeded_with_skipped_steps",
        "by a planner that is polled": "succeeded_after_polling",
        "before a cancel that comes too late": "succeeded_before_its_cancel",
    },
    "waits": {
        "for its time": "succeeded_after_its_scheduled_start",
        "for a slot": "succeeded_after_waiting_for_a_slot",
        "in line for its agents": "succeeded_after_waiting_for_its_agent",
        "for agents that do not answer": "succeeded_after_a_silent_agent",
    },
    "is paused": {
        "at the next group": "succeeded_after_a_deferred_pause",
        "at once": "succeeded_after_an_immediate_pause",
        "at once, by an agent that is not told": "succeeded_after_a_pause_that_came_back",
        "between attempts": "succeeded_after_a_pause_between_attempts",
    },
    "goes on after a trouble with": {
        "an assignment that failed": "succeeded_after_a_failed_assignment",
        "an assignment that was cancelled alone": "succeeded_without_a_cancelled_assignment",
        "an assignment that came back": "succeeded_after_its_assignment_came_back",
        "an agent that restarted": "succeeded_after_a_restart_of_its_agent",
        "an agent that was silent": "succeeded_after_silence_of_an_agent",
        "a silent agent, by another one": "succeeded_by_another_agent",
        "a silent agent, by one that was freed": "succeeded_once_another_agent_was_freed",
        "an unconfirmed start that began": "succeeded_after_an_unconfirmed_start_began",
        "an unconfirmed start, held": "succeeded_after_an_unconfirmed_start_was_held",
        "an unconfirmed start, sent again": "succeeded_after_an_unconfirmed_start_was_resent",
        "its first attempt": "succeeded_at_the_second_attempt",
    },
    "fails": {
        "as its planner says so": "failed_planning",
        "as its step raises": "failed_step_by_an_exception",
        "as its planner takes too long": "failed_planner_time_out",
        "as its reservation is refused": "failed_reservation",
        "as it waits too long for agents": "failed_longest_wait",
        "as it waits too long for a slot": "failed_wait_for_a_slot",
        "as a group cannot be sent": "failed_group",
        "by an assignment": "failed_assignment",
        "by an assignment that takes too long": "failed_assignment_time_out",
        "by an assignment that was cancelled alone": "failed_cancel_of_an_assignment",
        "by an assignment that may not have begun": "failed_unconfirmed_start",
        "by a silent agent": "failed_by_a_silent_agent",
        "as it takes too long": "failed_mission_time_out",
        "at its last attempt": "failed_last_attempt",
        "by a fault of ours": "failed_by_a_fault_of_ours",
    },
    "is canceled": {
        "before its first task": "canceled_before_its_first_task",
        "while scheduled": "canceled_while_scheduled",
        "while it waits for a slot": "canceled_while_waiting_for_a_slot",
        "while it reserves": "canceled_as_its_row_said",
        "in line": "canceled_in_line",
        "in line, by the API": "canceled_while_waiting",
        "while agents are asked": "canceled_while_asking_agents",
        "while its planner is pending": "canceled_while_polling",
        "between two groups": "canceled_between_groups",
        "in a pause": "canceled_in_a_pause",
        "while executing, by the API": "canceled_while_driving",
        "while executing, by a signal": "canceled_by_signal",
        "while executing, from the UI": "canceled_by_the_ui",
        "a second time, while confirmations are awaited": "canceled_twice",
        "without confirmations": "canceled_unconfirmed",
        "while it succeeds": "canceled_while_it_succeeds",
        "before its failure is cleaned up": "canceled_before_its_failure_is_cleaned_up",
        "while its failure is cleaned up": "canceled_while_its_failure_is_cleaned_up",
        "as its failure is written": "canceled_while_failing",
        "while its attempt ends": "canceled_while_its_attempt_ends",
        "between attempts": "canceled_between_attempts",
    },
    "is halted": {
        "while executing": "canceled_by_a_halt",
        "while confirmations are awaited": "canceled_by_a_halt_after_a_cancel",
        "while its failure is cleaned up": "canceled_by_a_halt_of_its_failure",
    },
    "goes on as another run": {
        "at its next attempt": "continued_mission",
        "and succeeds": "succeeded_as_another_run",
        "and is canceled": "canceled_as_another_run",
    },
    "takes over from a run that is gone": {
        "and succeeds": "succeeded_in_another_run",
        "and fails, as that was terminated": "failed_as_its_run_was_terminated",
        "and is canceled, as its row said": "canceled_as_its_run_was_terminated",
    },
}
MISSION_QUEUE = {
    "ends": {
        "after its missions": "succeeded_queue_of_two",
        "after waiting for its time": "succeeded_queue_at_its_time",
    },
    "is canceled": {"from the UI": "canceled_queue", "by the API": "canceled_queue_as_its_row_said"},
    "goes on as another run": {
        "after many turns": "continued_queue",
        "as it was run again while it was canceled": "continued_queue_that_was_run_again",
    },
}
MISSION_FILE = {
    "succeeds": {"with threads of both kinds": "succeeded_mission_file"},
    "is paused": {"while its threads wait": "succeeded_mission_file_after_a_pause"},
    "fails": {
        "by a thread that was aborted": "failed_mission_file",
        "as its reservation is refused": "failed_mission_file_by_its_instruments",
        "as a thread was terminated": "failed_mission_file_with_a_terminated_thread",
        "as a thread was cancelled alone": "failed_mission_file_with_a_cancelled_thread",
    },
    "is canceled": {
        "in line": "canceled_mission_file_before_its_instruments",
        "before its threads run": "canceled_mission_file_before_its_threads",
        "in a command": "canceled_mission_file_in_a_command",
        "by a command's policy": "canceled_mission_file_by_policy",
        "and an instrument does not go INACTIVE": "canceled_mission_file_with_a_stubborn_instrument",
    },
    "is halted": {
        "in a command": "canceled_mission_file_by_halt",
        "while it is aborted": "canceled_mission_file_by_a_halt_of_its_abort",
    },
    "takes over from a run that is gone": {
        "and fails, as that was terminated": "failed_mission_file_that_was_terminated",
    },
}
# A thread's run fails by nothing: however it ends, its mission is told.
MISSION_THREAD = {
    "is done": {
        "after its loops": "succeeded_thread",
        "after its events": "succeeded_thread_by_events",
        "as the timed ones are": "succeeded_thread_with_the_timed_ones",
        "after a retry": "succeeded_thread_after_a_retry",
        "after a pause": "succeeded_thread_after_a_pause",
        "after a command that took too long": "succeeded_thread_after_a_skipped_time_out",
        "after a command that was cancelled alone": "succeeded_thread_after_a_cancelled_command",
    },
    "is aborted": {
        "by a command": "succeeded_thread_in_being_aborted",
        "with its mission": "succeeded_thread_in_aborting_its_mission",
    },
    "is stopped": {
        "while it loads": "succeeded_thread_in_being_stopped_while_it_loads",
        "in a command": "succeeded_thread_in_being_stopped",
        "in a command, by a halt": "succeeded_thread_in_being_halted",
        "between loops": "succeeded_thread_in_being_stopped_between_loops",
        "before its event": "succeeded_thread_in_being_stopped_before_its_event",
    },
    "goes on as another run": {
        "between loops": "continued_thread",
        "in a sequence": "continued_thread_in_a_sequence",
        "between events": "continued_thread_by_events",
        "and is done": "succeeded_thread_as_another_run",
    },
}
PLATFORM_COMMAND = {
    "succeeds": {
        "with instruments": "succeeded_platform_command",
        "by the platform itself": "succeeded_platform_command_without_instruments",
    },
    "fails": {
        "by an instrument": "failed_platform_command",
        "as an instrument takes too long": "failed_platform_command_time_out",
    },
    "is canceled": {
        "in line": "canceled_platform_command_in_line",
        "while instruments are at it": "canceled_platform_command",
        "as it is settled": "canceled_platform_command_as_its_row_said",
    },
    "is halted": {"while instruments are at it": "canceled_platform_command_by_halt"},
}
ENDINGS: dict[str, dict[str, dict[str, str]]] = {
    "WorkProcess": WORK_PROCESS,
    "MissionQueue": MISSION_QUEUE,
    "MissionFile": MISSION_FILE,
    "MissionThread": MISSION_THREAD,
    "PlatformCommand": PLATFORM_COMMAND,
}
