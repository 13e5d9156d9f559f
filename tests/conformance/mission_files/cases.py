"""The cases of the conformance suite, by what they are about: one row each, held by a test and shown in the docs."""

from datetime import UTC, datetime, timedelta

from tests.conformance.mission_files import acts
from tests.conformance.mission_files.acts import emit
from tests.conformance.mission_files.case import ABORTED, ANCHOR, FAILED, Case, Fault, broken, done
from tests.conformance.mission_files.file_cases import FILES
from tests.conformance.mission_files.mission_text import Thread

MINUTE = (1, 1, "mins")
SAMPLE = ("ACQUIRE_SAMPLE",)
STREAM = ("START_AUTOSAMPLE", "wait(0.2)", "STOP_AUTOSAMPLE")
AT_STEP = ("LJ01D", "atStep")
_NOW = ANCHOR.replace(tzinfo=None)
_SOON = _NOW + timedelta(minutes=2)


SCHEDULES = [
    Case(
        "normal",
        threads=(
            Thread(pre=("set_resource(INTERVAL{3})",), sequence=STREAM, post=("execute_agent(RESET)",), loop=MINUTE),
        ),
        events=(done(),),
        commands={"02": "INTERVAL START_AUTOSAMPLE STOP_AUTOSAMPLE RESET"},
        ends={"02": "UNINITIALIZED"},
    ),
    Case(
        "loops_on_the_grid",
        threads=(Thread(sequence=SAMPLE, post=("CLOCK_SYNC",), loop=(3, 1, "mins")),),
        events=(done(3),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC"},
    ),
    Case(
        "overrun_and_catch_up",
        threads=(Thread(sequence=SAMPLE, loop=(4, 1, "mins"), timeout=6),),
        events=(done(4),),
        faults=(Fault("02", "late", "ACQUIRE_SAMPLE", 1, {"seconds": 2.2}),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
        also=acts.CAUGHT_UP,
    ),
    Case(
        "past_start_with_loop",
        threads=(Thread(sequence=SAMPLE, loop=MINUTE),),
        events=(done(),),
        commands={"02": "ACQUIRE_SAMPLE"},
    ),
    Case(
        "past_start_without_loop",
        threads=(Thread(sequence=SAMPLE),),
        events=(done(),),
        commands={"02": "ACQUIRE_SAMPLE"},
    ),
    Case(
        "future_start",
        threads=(Thread(sequence=SAMPLE, start=_SOON),),
        events=(done(),),
        commands={"02": "ACQUIRE_SAMPLE"},
    ),
    Case(
        "future_start_with_loop",
        threads=(Thread(sequence=SAMPLE, start=_SOON, loop=(2, 30, "secs")),),
        events=(done(2),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
    ),
    Case(
        "start_exactly_at_the_acceptance",
        threads=(Thread(sequence=SAMPLE, start=_NOW),),
        events=(done(),),
        commands={"02": "ACQUIRE_SAMPLE"},
    ),
    Case(
        "loop_of_quantity_zero_is_once",
        threads=(Thread(sequence=SAMPLE, loop=(0, None, None)),),
        events=(done(),),
        commands={"02": "ACQUIRE_SAMPLE"},
    ),
    Case(
        "pre_runs_past_the_start",
        threads=(Thread(pre=("wait(2)",), sequence=SAMPLE, start=_NOW + timedelta(minutes=1), loop=(2, 30, "secs")),),
        events=(done(2),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
    ),
    Case(
        "daily_in_spring",
        threads=(Thread(sequence=SAMPLE, start=datetime(2014, 7, 18, 8), zone="US/Pacific", loop=(3, 1, "days")),),
        events=(done(3),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
        anchor=datetime(2026, 3, 5, 17, tzinfo=UTC),
        scale=50_000,
        also=acts.IN_SPRING,
    ),
    Case(
        "daily_in_autumn",
        threads=(Thread(sequence=SAMPLE, start=datetime(2014, 7, 18, 8), zone="US/Pacific", loop=(3, 1, "days")),),
        events=(done(3),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
        anchor=datetime(2026, 10, 29, 16, tzinfo=UTC),
        scale=50_000,
        also=acts.IN_AUTUMN,
    ),
    Case(
        "two_timed_threads",
        threads=(
            Thread(sequence=STREAM, loop=(2, 30, "secs")),
            Thread(ctds=("03",), sequence=STREAM, loop=(2, 30, "secs")),
        ),
        events=(done(2), done(2)),
        commands={
            "02": "START_AUTOSAMPLE STOP_AUTOSAMPLE START_AUTOSAMPLE STOP_AUTOSAMPLE",
            "03": "START_AUTOSAMPLE STOP_AUTOSAMPLE START_AUTOSAMPLE STOP_AUTOSAMPLE",
        },
        also=acts.SIDE_BY_SIDE,
    ),
]

SEQUENCES = [
    Case(
        "pre_only",
        threads=(Thread(pre=("CLOCK_SYNC",)),),
        events=(done(),),
        commands={"02": "CLOCK_SYNC"},
    ),
    Case(
        "post_only",
        threads=(Thread(post=("CLOCK_SYNC",)),),
        events=(done(),),
        commands={"02": "CLOCK_SYNC"},
    ),
    Case(
        "failure_in_pre",
        threads=(Thread(pre=SAMPLE, sequence=("CLOCK_SYNC",), post=("ACQUIRE_STATUS",), policy="abort"),),
        events=(broken(within=False),),
        frame=FAILED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault. Mission sequence command = PRE:SBE37_SIM_02, execute_resource(ACQUIRE_SAMPLE)"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE"},
    ),
    Case(
        "failure_in_mission",
        threads=(
            Thread(sequence=("CLOCK_SYNC", *SAMPLE), post=("ACQUIRE_STATUS",), policy="abort", loop=(3, 30, "secs")),
        ),
        events=(broken(1),),
        frame=FAILED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE", 2),),
        errors={0: "simulated fault"},
        commands={"02": "CLOCK_SYNC ACQUIRE_SAMPLE CLOCK_SYNC ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE"},
    ),
    Case(
        "failure_in_post",
        threads=(Thread(sequence=("CLOCK_SYNC",), post=(*SAMPLE, "ACQUIRE_STATUS"), policy="abort"),),
        events=(broken(1, within=False),),
        frame=FAILED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "CLOCK_SYNC ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE"},
    ),
    Case(
        "two_instruments_in_one_thread",
        threads=(
            Thread(
                ctds=("02", "03"),
                pre=("PRE:SBE37_SIM_03, execute_agent(CLEAR)", "PRE:SBE37_SIM_03, execute_agent(RUN)"),
                sequence=(*SAMPLE, "PRE:SBE37_SIM_03, execute_resource(ACQUIRE_SAMPLE)"),
                policy="abort",
            ),
        ),
        events=(broken(),),
        frame=FAILED,
        faults=(Fault("03", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE", "03": "CLEAR RUN ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE", "03": "INACTIVE"},
    ),
]

ERRORS = [
    Case(
        "retry_succeeds_at_the_second",
        threads=(Thread(sequence=SAMPLE),),
        events=(done(),),
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE", 1),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE"},
        scale=10,
        also=acts.ATTEMPTS_APART,
    ),
    Case(
        "retry_succeeds_at_the_last",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC")),),
        events=(done(),),
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE", 1), Fault("02", "fail", "ACQUIRE_SAMPLE", 2)),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC"},
        scale=10,
        also=acts.ATTEMPTS_APART,
    ),
    Case(
        "retry_exhausted",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC"), post=("ACQUIRE_STATUS",)),),
        events=(broken(),),
        frame=FAILED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE"},
        scale=10,
        also=acts.ATTEMPTS_APART,
    ),
    Case(
        "attempts_start_anew_for_each_command",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC"), attempts=2),),
        events=(done(),),
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE", 1), Fault("02", "fail", "CLOCK_SYNC", 1)),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC CLOCK_SYNC"},
    ),
    Case(
        "skip",
        threads=(
            Thread(sequence=("ACQUIRE_SAMPLE !skip", "CLOCK_SYNC"), policy="abort"),
            Thread(ctds=("03",), sequence=("ACQUIRE_SAMPLE", "CLOCK_SYNC"), policy="skip", attempts=5),
        ),
        events=(done(), done()),
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"), Fault("03", "fail", "ACQUIRE_SAMPLE")),
        commands={"02": "ACQUIRE_SAMPLE CLOCK_SYNC", "03": "ACQUIRE_SAMPLE CLOCK_SYNC"},
    ),
    Case(
        "abort_while_another_thread_goes_on",
        threads=(
            Thread(sequence=("ACQUIRE_SAMPLE !abort", "CLOCK_SYNC")),
            Thread(ctds=("03",), sequence=("wait(1)", "ACQUIRE_SAMPLE")),
        ),
        events=(broken(), done()),
        frame=FAILED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE", "03": "ACQUIRE_SAMPLE"},
        ends={"02": "INACTIVE"},
        also=acts.GOES_ON,
    ),
    Case(
        "abort_mission_by_policy",
        threads=(
            Thread(sequence=("wait(0.5)", "ACQUIRE_SAMPLE !abortMission", "CLOCK_SYNC")),
            Thread(ctds=("03",), sequence=("START_AUTOSAMPLE", "wait(60)"), post=("STOP_AUTOSAMPLE",)),
        ),
        events=(broken(), broken()),
        frame=ABORTED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE", "03": "START_AUTOSAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE", "03": "INACTIVE"},
        also=acts.FAILING_THREAD_FIRST,
    ),
    Case(
        "abort_mission_with_one_attempt",
        threads=(
            Thread(sequence=SAMPLE, policy="abortMission", attempts=1),
            Thread(ctds=("03",), sequence=SAMPLE, start=_NOW + timedelta(days=1)),
        ),
        events=(broken(), broken(within=False)),
        frame=ABORTED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE", "03": "GO_INACTIVE"},
        ends={"02": "INACTIVE", "03": "INACTIVE"},
        also=acts.FAILING_THREAD_FIRST,
    ),
    Case(
        "abort_mission_in_pre",
        threads=(
            Thread(pre=("wait(0.5)", *SAMPLE), sequence=("CLOCK_SYNC",), policy="abortMission"),
            Thread(ctds=("03",), event=AT_STEP, sequence=SAMPLE, post=("CLOCK_SYNC",)),
        ),
        events=(broken(within=False), broken(within=False)),
        frame=ABORTED,
        faults=(Fault("02", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE", "03": "GO_INACTIVE"},
        ends={"02": "INACTIVE", "03": "INACTIVE"},
        also=acts.FAILING_THREAD_FIRST,
    ),
    Case(
        "error_handling_of_each_thread",
        threads=(
            Thread(sequence=SAMPLE, policy="abort", attempts=1),
            Thread(ctds=("03",), sequence=SAMPLE, policy="retry", attempts=4),
        ),
        events=(broken(), done()),
        frame=FAILED,
        faults=(
            Fault("02", "fail", "ACQUIRE_SAMPLE"),
            *(Fault("03", "fail", "ACQUIRE_SAMPLE", nth) for nth in (1, 2, 3)),
        ),
        errors={0: "simulated fault"},
        commands={
            "02": "ACQUIRE_SAMPLE GO_INACTIVE",
            "03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE",
        },
        ends={"02": "INACTIVE"},
    ),
    Case(
        "the_other_way_round",
        threads=(
            Thread(sequence=SAMPLE, policy="retry", attempts=3),
            Thread(ctds=("03",), sequence=SAMPLE, policy="abort", attempts=1),
        ),
        events=(done(), broken()),
        frame=FAILED,
        faults=(
            *(Fault("02", "fail", "ACQUIRE_SAMPLE", nth) for nth in (1, 2)),
            Fault("03", "fail", "ACQUIRE_SAMPLE"),
        ),
        errors={1: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE", "03": "ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"03": "INACTIVE"},
    ),
]

COMMANDS = [
    Case(
        "set_and_get",
        threads=(Thread(sequence=("set_resource(INTERVAL{7})", "get_resource(NAVG)"), policy="abort"),),
        events=(done(),),
        commands={"02": "INTERVAL NAVG"},
        also=acts.PARAMETERS,
    ),
    Case(
        "set_reads_back_another_value",
        threads=(Thread(sequence=("set_resource(INTERVAL{7})", "CLOCK_SYNC"), policy="retry", attempts=2),),
        events=(broken(),),
        frame=FAILED,
        faults=(Fault("02", "stuck", "INTERVAL"),),
        errors={0: "Parameter INTERVAL not set"},
        commands={"02": "INTERVAL INTERVAL GO_INACTIVE"},
        ends={"02": "INACTIVE"},
    ),
    Case(
        "command_never_answers",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC"), policy="abort"),),
        events=(broken(),),
        frame=FAILED,
        faults=(Fault("02", "never", "ACQUIRE_SAMPLE"),),
        errors={0: "SBE37_SIM_02 did not end it within 1.5 s. Mission sequence command ="},
        commands={"02": "ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE"},
        also=acts.CANCELED,
    ),
    Case(
        "command_with_a_limit_of_its_own",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC"), timeout=0.3),),
        events=(done(),),
        faults=(Fault("02", "never", "ACQUIRE_SAMPLE", 1),),
        commands={"02": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC"},
        also=acts.CANCELED_BY_ITS_OWN_LIMIT,
    ),
    Case(
        "answer_comes_twice",
        threads=(Thread(sequence=(*SAMPLE, "CLOCK_SYNC")),),
        events=(done(),),
        faults=(Fault("02", "twice", "ACQUIRE_SAMPLE"),),
        commands={"02": "ACQUIRE_SAMPLE CLOCK_SYNC"},
    ),
    Case(
        "platform_commands",
        threads=(
            Thread(
                pre=("LJ01D, execute_resource(TURN_ON_PORT{1})", "LJ01D, execute_resource(TURN_ON_PORT{2})"),
                sequence=SAMPLE,
                post=("LJ01D, execute_resource(TURN_OFF_PORT{1})",),
            ),
        ),
        events=(done(),),
        commands={"LJ01D": "TURN_ON_PORT TURN_ON_PORT TURN_OFF_PORT", "02": "ACQUIRE_SAMPLE"},
        also=acts.PORT_ON,
    ),
    Case(
        "platform_command_fails",
        threads=(Thread(pre=("LJ01D, execute_resource(TURN_ON_PORT{1}) !abort",), sequence=SAMPLE),),
        events=(broken(within=False),),
        frame=FAILED,
        faults=(Fault("LJ01D", "fail", "TURN_ON_PORT"),),
        errors={0: "simulated fault"},
        commands={"LJ01D": "TURN_ON_PORT", "02": "GO_INACTIVE"},
        ends={"02": "INACTIVE"},
    ),
]

EVENTS = [
    Case(
        "timed_and_event",
        threads=(
            Thread(sequence=("wait(2)",)),
            Thread(
                ctds=("03",), event=AT_STEP, pre=("set_resource(INTERVAL{1})",), sequence=SAMPLE, post=("CLOCK_SYNC",)
            ),
        ),
        events=(done(), done()),
        commands={"03": "INTERVAL ACQUIRE_SAMPLE CLOCK_SYNC"},
        meanwhile=emit("atStep"),
    ),
    Case(
        "event_that_never_comes",
        threads=(
            Thread(sequence=("wait(0.5)",)),
            Thread(ctds=("03",), event=AT_STEP, sequence=SAMPLE, post=("CLOCK_SYNC",)),
        ),
        events=(done(), done(0)),
        commands={"03": "CLOCK_SYNC"},
    ),
    Case(
        "three_events_in_a_burst",
        threads=(
            Thread(sequence=("wait(3)",)),
            Thread(ctds=("03",), event=AT_STEP, sequence=(*SAMPLE, "ACQUIRE_STATUS")),
        ),
        events=(done(), done(3)),
        faults=(Fault("03", "late", "ACQUIRE_SAMPLE", more={"seconds": 0.2}),),
        commands={"03": " ".join(["ACQUIRE_SAMPLE ACQUIRE_STATUS"] * 3)},
        meanwhile=emit("atStep", 3),
    ),
    Case(
        "event_served_after_the_timed_thread_has_ended",
        threads=(
            Thread(sequence=("wait(2)",)),
            Thread(ctds=("03",), event=AT_STEP, sequence=("wait(1)", *SAMPLE), post=("CLOCK_SYNC",)),
        ),
        events=(done(), done(3)),
        commands={"03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC"},
        meanwhile=emit("atStep", 3),
        also=acts.SERVED_LATE,
    ),
    Case(
        "event_raised_after_the_timed_thread_has_ended",
        threads=(
            Thread(sequence=("wait(2)",)),
            Thread(ctds=("03",), event=AT_STEP, sequence=("wait(3)", *SAMPLE)),
        ),
        events=(done(), done(1)),
        commands={"03": "ACQUIRE_SAMPLE"},
        meanwhile=acts.emit_after_the_timed_threads("atStep"),
    ),
    Case(
        "profiler",
        threads=(
            Thread(sequence=("wait(3)",)),
            Thread(ctds=("03",), event=AT_STEP, pre=("set_resource(INTERVAL{1})",), sequence=SAMPLE),
            Thread(ctds=("04",), event=("LJ01D", "atCeiling"), pre=("set_resource(INTERVAL{5})",), sequence=SAMPLE),
        ),
        events=(done(), done(), done()),
        commands={"03": "INTERVAL ACQUIRE_SAMPLE", "04": "INTERVAL ACQUIRE_SAMPLE"},
        meanwhile=acts.PROFILE,
    ),
    Case(
        "event_only_with_a_quantity",
        threads=(Thread(ctds=("03",), event=AT_STEP, loop=(2, None, None), sequence=SAMPLE, post=("CLOCK_SYNC",)),),
        events=(done(2),),
        commands={"03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE CLOCK_SYNC"},
        meanwhile=emit("atStep", 3, waits=0),
    ),
    Case(
        "event_only_until_it_is_aborted",
        threads=(Thread(ctds=("03",), event=AT_STEP, sequence=SAMPLE, post=("CLOCK_SYNC",)),),
        events=(broken(2, within=False),),
        frame=ABORTED,
        commands={"03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"03": "INACTIVE"},
        meanwhile=acts.emit_and_abort("atStep", 2),
    ),
    Case(
        "command_of_an_instrument_as_the_event",
        threads=(
            Thread(pre=("wait(1)",), sequence=STREAM, loop=(2, 1, "mins")),
            Thread(ctds=("03",), event=("PRE:SBE37_SIM_02", "STOP_AUTOSAMPLE"), sequence=SAMPLE),
        ),
        events=(done(2), done(2)),
        commands={
            "02": "START_AUTOSAMPLE STOP_AUTOSAMPLE START_AUTOSAMPLE STOP_AUTOSAMPLE",
            "03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE",
        },
    ),
    Case(
        "command_that_failed_is_no_event",
        threads=(
            Thread(pre=("wait(1)",), sequence=("CLOCK_SYNC !skip",)),
            Thread(ctds=("03",), event=("PRE:SBE37_SIM_02", "CLOCK_SYNC"), sequence=SAMPLE),
        ),
        events=(done(), done(0)),
        faults=(Fault("02", "fail", "CLOCK_SYNC"),),
        commands={"02": "CLOCK_SYNC"},
    ),
    Case(
        "failure_in_an_event_sequence",
        threads=(
            Thread(sequence=("wait(2)", *SAMPLE)),
            Thread(ctds=("03",), event=AT_STEP, sequence=SAMPLE, post=("CLOCK_SYNC",), policy="abort"),
        ),
        events=(done(), broken()),
        frame=FAILED,
        faults=(Fault("03", "fail", "ACQUIRE_SAMPLE"),),
        errors={1: "simulated fault"},
        commands={"02": "ACQUIRE_SAMPLE", "03": "ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"03": "INACTIVE"},
        meanwhile=emit("atStep"),
    ),
    Case(
        "abort_mission_in_an_event_sequence",
        threads=(
            Thread(ctds=("03",), event=AT_STEP, sequence=SAMPLE, policy="abortMission"),
            Thread(sequence=("wait(60)", *SAMPLE)),
        ),
        events=(broken(), broken()),
        frame=ABORTED,
        faults=(Fault("03", "fail", "ACQUIRE_SAMPLE"),),
        errors={0: "simulated fault"},
        commands={"02": "GO_INACTIVE", "03": "ACQUIRE_SAMPLE GO_INACTIVE"},
        ends={"02": "INACTIVE", "03": "INACTIVE"},
        meanwhile=emit("atStep", waits=0),
    ),
]

TABLES = {
    "Schedules": SCHEDULES,
    "Sequences": SEQUENCES,
    "Errors": ERRORS,
    "Commands": COMMANDS,
    "Events": EVENTS,
    "Whole files": FILES,
}
