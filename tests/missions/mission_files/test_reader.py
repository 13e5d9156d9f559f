"""What the cases do not show: whole files, several errors, threads against each other, devices against a platform."""

from datetime import datetime
from pathlib import Path

import pytest

from missions.mission_files.plan import ENDLESS, ErrorPolicy, Method
from missions.mission_files.reader import read_mission_file
from missions.mission_files.references import DeviceFacts, PlatformFacts
from tests.missions.mission_files.cases import FILE, USUAL, WAITING
from tests.support.processor_time import processor_seconds

FILES = Path(__file__).parents[2] / "mission_files"
REAL = sorted(FILES.rglob("*.yml"))

THREAD = """\
  - instrumentID: {ids}
    schedule: {{startTime: {start}, loop: {{quantity: {quantity}, value: {value}, units: mins}}}}
    missionSequence: [{{command: wait({wait})}}]
"""
WAITER = """\
  - instrumentID: ['PRE:A']
    schedule: {event: {parentID: PRE:B, eventID: STOPPED}}
    missionSequence: [{command: execute_agent(RESET)}]
"""


def said(text: str | bytes, platform: PlatformFacts | None = None) -> list[tuple[str, int, int, str]]:
    return [
        (issue.severity, issue.line, issue.column, issue.text) for issue in read_mission_file(text, platform).issues
    ]


def thread(
    ids: str = "['PRE:A']", start: str = "2026-01-01", quantity: int = 1, value: float = 60, wait: int = 10
) -> str:
    return THREAD.format(ids=ids, start=start, quantity=quantity, value=value, wait=wait)


def mission(*threads: str) -> str:
    return "mission:\n" + "".join(threads)


# --- whole files


@pytest.mark.parametrize("path", REAL, ids=[path.name for path in REAL])
def test_real_files_are_taken_as_they_are(path: Path) -> None:
    read = read_mission_file(path.read_bytes())
    if path.name == "mission_HDCamera.yml":
        assert [(issue.line, issue.path) for issue in read.issues] == [(82, "mission[1].schedule.startTime")]
    else:
        assert read.issues == []
        assert read.plan is not None


def test_the_plan_is_what_the_file_says() -> None:
    plan = read_mission_file((FILES / "05_profiler_events.yml").read_text()).plan
    assert plan is not None
    assert (plan.name, plan.version, plan.platform) == ("Shallow profiler, stair step", "0.4", "LJ01D")
    timed, at_step, _ = plan.threads
    assert timed.timing is not None
    assert timed.timing.model_dump() == {
        "start": datetime(2014, 7, 18),
        "time_zone": "UTC",
        "value": 6,
        "units": "hrs",
        "quantity": 4,
    }
    assert [command.device for command in timed.pre] == ["LJ01D"]
    assert timed.pre[0].on_error is ErrorPolicy.ABORT_MISSION
    assert timed.pre[0].body() == {
        "command": {"method": "execute_resource", "name": "TURN_ON_PORT", "args": [1], "kwargs": {}}
    }
    assert timed.sequence[1].wait_minutes == 120
    assert at_step.trigger is not None
    assert at_step.trigger.model_dump() == {"source": "LJ01D", "event": "atStep", "quantity": ENDLESS}
    assert (at_step.pre[0].device, at_step.pre[0].method) == ("PRE:SBE37_SIM_03", Method.SET_RESOURCE)
    assert at_step.sequence[0].on_error is ErrorPolicy.SKIP  # its thread's default


def test_what_is_left_out_has_a_default() -> None:
    plan = read_mission_file(mission(thread())).plan
    assert plan is not None
    assert plan.threads[0].max_retries == 3
    assert plan.threads[0].sequence[0].on_error is ErrorPolicy.RETRY


@pytest.mark.parametrize(
    ("start", "zone", "wall"),
    [
        ("2026-07-18T05:00:00", "US/Pacific", (datetime(2026, 7, 18, 5), "US/Pacific")),
        ("2026-07-18T05:00:00+02:00", "US/Pacific", (datetime(2026, 7, 18, 3), "UTC")),
        ("2026-07-18T05:00:00Z", "", (datetime(2026, 7, 18, 5), "UTC")),
        ("2026-07-18", "", (datetime(2026, 7, 18), "UTC")),
    ],
)
def test_an_offset_is_honoured(start: str, zone: str, wall: tuple[datetime, str]) -> None:
    plan = read_mission_file(FILE.format(**USUAL | {"start": start, "zone": zone})).plan
    assert plan is not None
    timing = plan.threads[0].timing
    assert timing is not None
    assert (timing.start, timing.time_zone) == wall


# --- errors


def test_everything_is_told_at_once_in_the_files_order() -> None:
    text = FILE.format(
        **USUAL
        | {
            "errors": "{default: never, maxRetries: 0}",
            "zone": "Mars",
            "loop": "{quantity: x, value: y, units: z}",
            "command": "PRE:A, exec(A{1,,2})",
            "on_error": "no",
        }
    )
    found = said(text)
    assert [text for *_, text in found] == ["never", "0", "Mars", "x", "y", "z", "exec", ",", "no"]
    assert [place for _, *place, _ in found] == sorted(place for _, *place, _ in found)


@pytest.mark.parametrize(
    ("loop", "wrong"),
    [
        ("{quantity: -2, value: -1, units: hours}", ["-2", "-1", "hours"]),
        ("{quantity: -2, value: 1, units: hours}", ["-2", "hours"]),
        ("{quantity: two, value: 9999, units: days}", ["two", "value"]),
        ("{quantity: two, value: 5, units: }", ["two", "units"]),
        ("{quantity: 3, value: , units: }", ["value", "units"]),
        ("{quantity: 3, value: , units: hours}", ["value", "hours"]),
        ("{quantity: 0, value: -1, units: hours}", ["-1", "hours"]),
    ],
)
def test_each_part_of_a_loop_is_checked_even_if_another_is_wrong(loop: str, wrong: list[str]) -> None:
    issues = read_mission_file(FILE.format(**USUAL | {"loop": loop})).errors
    assert sorted(issue.text for issue in issues) == sorted(wrong)


def test_remedies_name_what_was_meant() -> None:
    text = FILE.format(**USUAL | {"zone": "US/pacifc", "loop": "{quantity: 3, vlaue: 5, units: hours}"})
    assert [issue.remedy for issue in read_mission_file(text).errors][:4] == [
        "write `US/Pacific`",
        "write it",  # `value` is missing
        "write `value`",
        "write `hrs`",
    ]


def test_a_part_of_a_command_has_its_column_where_the_line_shows_it() -> None:
    plain = "      - command: PRE:A, exec(A)\n"
    folded = "      - command: >\n          PRE:A,\n          exec(A)\n"
    escaped = '      - command: "PRE:\\x41, exec(A)"\n'
    for item, place in ((plain, (5, 25)), (folded, (5, 18)), (escaped, (5, 18))):
        text = mission(thread(wait=0).replace("[{command: wait(0)}]", f"\n{item}"))
        assert [(issue.line, issue.column) for issue in read_mission_file(text).issues] == [place]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", (1, 1), "no mission"),
        ("# only this", (1, 1), "no mission"),
        ("- a", (1, 1), "no keys"),
        ("mission:", (1, 1), "no mission"),
        ("mission: []", (1, 10), "no threads"),
        ("mission: later", (1, 10), "no list"),
        ("mission:\n  - later", (2, 5), "no keys"),
        ("mission:\n  - missionThread:\n      instrumentID: A\n", (3, 7), "`missionThread` takes no value"),
        ("mission: [\n", (2, 1), "no YAML"),
        ("a: b: c", (1, 5), "no YAML"),
        ("mission:\n\t- a", (2, 1), "no YAML"),
        ("mission: []\n--- \nmission: []", (2, 1), "second document"),
        ("mission: *x", (1, 10), "`*x` is not known"),
        ("mission: &x [*x]", (1, 14), "within itself"),
        ("mission: !!python/object:a.B x", (1, 10), "tag"),
        ("? [a]\n: b", (1, 3), "cannot be a key"),
        ("name: a\u0007b", (1, 8), "U+0007"),
        ("name: \ud800", (1, 7), "U+D800"),
        (b"name: \xff", (1, 7), "no UTF-8"),
        ("\ufeffmission: []", (1, 10), "no threads"),
    ],
)
def test_what_cannot_be_read_says_where(text: str | bytes, place: tuple[int, int], words: str) -> None:
    first = read_mission_file(text).issues[0]
    assert (first.line, first.column) == place
    assert words in first.message


def test_anchors_and_merges_are_yaml_as_ever() -> None:
    text = (
        FILE.format(**USUAL)
        .replace("errorHandling:", "errorHandling: &often")
        .replace("{default: retry, maxRetries: 3}", "{<<: {maxRetries: 7}, default: retry}")
        + "  - {instrumentID: C, errorHandling: *often, schedule: {startTime: 2026-01-01}, missionSequence: }\n"
    )
    read = read_mission_file(text)
    assert read.plan is not None
    assert [thread.max_retries for thread in read.plan.threads] == [7, 7]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(12)),
        "[" * 900_000,
        "- " * 400_000,
        "- a\n" * 240_000,
        "".join(f"k{n}: \n" for n in range(100_000)),
        mission(*[thread(start="x", wait=0)] * 6_000),
        "mission:\n" + "- a\n" * 60_000,
        mission(
            *[thread(start=f"2026-01-01T00:00:{n % 60:02}", quantity=-1, value=1 + n / 7, wait=0) for n in range(100)]
        ),
        mission(*[thread(quantity=2_147_483_647, value=5_000_000 + n, start=f"2026-01-{1 + n:02}") for n in range(31)]),
        "x" * 1_000_001,
        "a: '" + "x\n" * 400_000,
    ],
    ids=[
        "alias bomb",
        "brackets",
        "dashes",
        "items",
        "keys",
        "threads",
        "scalars",
        "clashes",
        "far clashes",
        "large",
        "long text",
    ],
)
def test_a_hostile_file_is_refused_in_a_second(text: str) -> None:
    assert read_mission_file(text).errors
    assert processor_seconds(lambda: read_mission_file(text)) < 1


def test_a_long_mission_is_read_in_a_second() -> None:
    item = "      - {command: 'PRE:A, execute_resource(LOOK_AT{0, 0, speed: 10})', onError: skip}\n"
    text = FILE.format(**USUAL | {"more": item * 1_000})
    plan = read_mission_file(text).plan
    assert plan is not None
    assert len(plan.threads[0].sequence) == 1_002
    assert processor_seconds(lambda: read_mission_file(text)) < 1


def test_many_warnings_leave_nothing_out() -> None:
    read = read_mission_file(FILE.format(**USUAL | {"more": "      - {command: wait(0), timeout: 9}\n" * 700}))
    assert read.plan is not None
    assert len(read.plan.threads[0].sequence) == 702
    assert len(read.warnings) == 500
    assert len(read_mission_file(FILE.format(**USUAL | {"more": "      - wait(0)\n" * 700})).errors) >= 500


def test_many_threads_that_never_meet_are_compared_in_a_second() -> None:
    minutes = [
        thread(start=f"2026-01-01T{n // 60:02}:{n % 60:02}:00", quantity=-1, value=100, wait=0) for n in range(100)
    ]
    text = mission(*minutes)
    assert read_mission_file(text).issues == []
    assert processor_seconds(lambda: read_mission_file(text)) < 1


# --- threads against each other


@pytest.mark.parametrize(
    ("why", "threads", "severities"),
    [
        ("other instruments", [thread(), thread("['PRE:B']")], []),
        ("at the same time", [thread(), thread("['PRE:B', 'A']")], ["error"]),
        (
            "one after the other, as long as it begins in time",
            [thread(), thread(start="2026-01-01T01:05:00")],
            ["warning"],
        ),
        ("the one begins as the other ends", [thread(), thread(start="2026-01-01T00:10:00")], ["error"]),
        (
            "hourly at 0 and at 30, for ever",
            [thread(quantity=-1), thread(start="2026-01-01T00:30:00", quantity=-1)],
            [],
        ),
        (
            "hourly, and every 50 minutes: they meet in the end",
            [thread(quantity=-1), thread(start="2026-01-01T00:30:00", quantity=-1, value=50)],
            ["error"],
        ),
        (
            "but not if they run twice only, from then on",
            [thread(quantity=2), thread(start="2026-01-01T00:25:00", quantity=2, value=50)],
            ["warning"],
        ),
    ],
)
def test_timed_threads_that_share_an_instrument(why: str, threads: list[str], severities: list[str]) -> None:
    read = read_mission_file(mission(*threads))
    assert [issue.severity for issue in read.issues] == severities, why
    assert all(issue.path == "mission[1].schedule.startTime" for issue in read.issues)


def test_a_clash_says_when() -> None:
    text = mission(thread(quantity=-1), thread(start="2026-01-01T00:30:00", quantity=-1, value=50))
    assert "threads 0 and 1 both need `PRE:A` at 2026-01-01 02:10:00 UTC" in read_mission_file(text).errors[0].message


def test_zones_count() -> None:
    zoned = thread(start="2026-01-01T01:00:00").replace("schedule: {", "schedule: {timeZone: Europe/Berlin, ")
    assert [issue.severity for issue in read_mission_file(mission(thread(), zoned)).issues] == ["error"]


def test_a_thread_that_waits_may_disturb_a_timed_one() -> None:
    assert [severity for severity, *_ in said(mission(thread(), WAITER))] == ["warning"]


# --- against the platform

PLATFORM = PlatformFacts("LJ01D", None, [DeviceFacts("agent-7", "PRE:A"), DeviceFacts("B"), DeviceFacts("CTD_1")])


@pytest.mark.parametrize(
    ("changed", "issues"),
    [
        ({}, []),
        ({"command": "PRE:agent-7, execute_agent(RESET)"}, []),
        ({"ids": "[agent-7]"}, []),
        ({"ids": "[CTD_2]", "command": "execute_agent(RESET)"}, [("error", "CTD_2")]),
        ({"platform": "{platformID: LJ02D}"}, [("warning", "LJ02D")]),
        ({"platform": "", "command": "LJ01D, execute_agent(RESET)"}, []),
        ({"command": "LJ02D, execute_agent(RESET)"}, [("error", "LJ02D")]),
        ({"command": "CTD_1, execute_agent(RESET)"}, [("error", "CTD_1")]),  # it would not be reserved
        ({"ids": "[LJ01D]", "command": "wait(1)"}, [("error", "LJ01D")]),
        (WAITING, []),
        (WAITING | {"event": "{parentID: CTD_1, eventID: x}"}, []),
        (WAITING | {"event": "{parentID: LJ01D, eventID: x}"}, []),
        (WAITING | {"event": "{parentID: LJ03D, eventID: x}"}, [("error", "LJ03D")]),
    ],
)
def test_devices_are_those_of_the_platform(changed: dict[str, str], issues: list[tuple[str, str]]) -> None:
    found = read_mission_file(FILE.format(**USUAL | changed), PLATFORM).issues
    assert [(issue.severity, issue.text) for issue in found] == issues


def test_an_unknown_instrument_names_the_nearest() -> None:
    found = read_mission_file(FILE.format(**USUAL | {"ids": "[CTD_2]", "command": "wait(1)"}), PLATFORM).errors
    assert found[0].remedy == "write `CTD_1`"


def test_a_thread_that_the_engine_would_refuse_is_an_error() -> None:
    commands = "".join(f"      - command: 'PRE:A, execute_resource(COMMAND_{n})'\n" for n in range(4000))
    head = "mission:\n  - instrumentID: 'PRE:A'\n    schedule: {startTime: 2026-01-01}\n    missionSequence:\n"
    text = head + commands
    (issue,) = read_mission_file(text).errors
    assert "more than 512 KiB" in issue.message
    assert (issue.line, issue.column) == (2, 5)


def test_what_aliases_repeat_counts_each_time() -> None:
    """Few kilobytes may stand for a hundred megabytes of commands."""
    command = f"&c {{command: 'PRE:A, set_resource(P{{{'a' * 5000}}})'}}"
    repeated = "".join("      - *c\n" for _ in range(12_000))
    head = "mission:\n  - instrumentID: 'PRE:A'\n    schedule: {startTime: 2026-01-01}\n    missionSequence:\n"
    text = f"{head}      - {command}\n{repeated}"
    errors = read_mission_file(text).errors
    assert "KiB of text" in " ".join(error.message for error in errors)
    assert len(errors) < 5
    assert processor_seconds(lambda: read_mission_file(text)) < 1
