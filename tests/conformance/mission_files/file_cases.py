"""The cases of whole mission files: those of `tests/mission_files/`, as they stand there."""

from datetime import UTC, datetime

from tests.conformance.mission_files import acts
from tests.conformance.mission_files.case import ABORTED, FAILED, Case, broken, done

NIGHT = datetime(2026, 3, 1, 22, tzinfo=UTC)
"""Two hours before the daily start of the cameras' files."""

_LOOK_ROUND = "PAN TILT LIGHT_1 LIGHT_2 ZOOM PAN PAN LIGHT_1 LIGHT_2"

FILES = [
    Case(
        "file_01_scheduled_ctd",
        file="01_scheduled_ctd.yml",
        but=("quantity: 24", "quantity: 3"),
        events=(done(3),),
        commands={"02": f"INTERVAL CLOCK_SYNC {' '.join(['START_AUTOSAMPLE STOP_AUTOSAMPLE'] * 3)} RESET"},
        ends={"02": "UNINITIALIZED"},
        scale=3600,
    ),
    Case(
        "file_02_event_driven",
        file="02_event_driven.yml",
        events=(done(3), done(3)),
        commands={
            "02": " ".join(["START_AUTOSAMPLE STOP_AUTOSAMPLE"] * 3),
            "03": "ACQUIRE_SAMPLE ACQUIRE_SAMPLE ACQUIRE_SAMPLE",
        },
        scale=200,
    ),
    Case(
        "file_04_hd_camera",
        file="04_hd_camera.yml",
        events=(broken(1, within=False),),
        frame=ABORTED,
        commands={"camera": f"START_AUTOSAMPLE {_LOOK_ROUND} STOP_AUTOSAMPLE GO_INACTIVE"},
        ends={"camera": "INACTIVE"},
        meanwhile=acts.abort_after_its_first_loop(),
        anchor=NIGHT,
        scale=3600,
    ),
    Case(
        "file_04b_hd_camera_tuple_args",
        file="04b_hd_camera_tuple_args.yml",
        events=(broken(1, within=False),),
        frame=ABORTED,
        commands={"camera": "START LOOK_AT CAMERA LIGHTS LIGHTS STOP GO_INACTIVE"},
        ends={"camera": "INACTIVE"},
        meanwhile=acts.abort_after_its_first_loop(),
        anchor=datetime(2026, 3, 2, 1, 30, tzinfo=UTC),
        scale=1200,
    ),
    Case(
        "file_05_profiler_events",
        file="05_profiler_events.yml",
        events=(done(4), done(1), done(1)),
        commands={
            "02": f"{' '.join(['START_AUTOSAMPLE STOP_AUTOSAMPLE'] * 4)} GO_INACTIVE",
            "03": "INTERVAL ACQUIRE_SAMPLE",
            "04": "ACQUIRE_SAMPLE",
            "LJ01D": "TURN_ON_PORT TURN_OFF_PORT",
        },
        ends={"02": "INACTIVE"},
        meanwhile=acts.PROFILE,
        scale=20_000,
    ),
    Case(
        "file_06a_error_abort_thread",
        file="06a_error_abort_thread.yml",
        events=(broken(), done()),
        frame=FAILED,
        errors={0: "START_AUTOSAMPLE is not possible in UNINITIALIZED"},
        commands={"02": "RESET START_AUTOSAMPLE INITIALIZE", "03": "ACQUIRE_SAMPLE"},
        ends={"02": "INACTIVE"},
        scale=120,
    ),
    Case(
        "file_mission_RSN_simulator0C",
        file="ooi/mission_RSN_simulator0C.yml",
        events=(done(),),
        commands={"02": "INTERVAL START_AUTOSAMPLE STOP_AUTOSAMPLE RESET"},
        ends={"02": "UNINITIALIZED"},
        scale=120,
    ),
    Case(
        "file_mission_RSN_simulator1",
        file="ooi/mission_RSN_simulator1.yml",
        events=(done(),),
        commands={"02": "INTERVAL CLOCK_SYNC START_AUTOSAMPLE STOP_AUTOSAMPLE RESET", "03": "RESET"},
        ends={"02": "UNINITIALIZED", "03": "UNINITIALIZED"},
        scale=120,
    ),
    Case(
        "file_mission_RSN_simulator_event",
        file="ooi/mission_RSN_simulator_event.yml",
        events=(done(), done()),
        commands={"02": "INTERVAL START_AUTOSAMPLE STOP_AUTOSAMPLE RESET", "03": "INTERVAL ACQUIRE_SAMPLE"},
        ends={"02": "UNINITIALIZED"},
        scale=100,
    ),
    Case(
        "file_mission_RSN_simulator_ports",
        file="ooi/mission_RSN_simulator_ports.yml",
        events=(done(),),
        commands={
            "02": "INTERVAL START_AUTOSAMPLE STOP_AUTOSAMPLE RESET",
            "LJ01D": "TURN_ON_PORT TURN_OFF_PORT",
        },
        ends={"02": "UNINITIALIZED"},
        scale=120,
    ),
    Case(
        "file_mission_ShallowProfiler_simulated",
        file="ooi/mission_ShallowProfiler_simulated.yml",
        events=(done(), done(), done()),
        commands={"03": "INTERVAL ACQUIRE_SAMPLE", "04": "INTERVAL ACQUIRE_SAMPLE"},
        meanwhile=acts.PROFILE,
    ),
]
