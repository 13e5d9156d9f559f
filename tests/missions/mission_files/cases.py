# ruff: noqa: E501 (one case, one line)
"""What the reader takes and what it refuses, one case a line: why, what is changed in the file, what is said of it.

What is said: `error` or `warning`, the path, and the text that it points at.
"""

from typing import NamedTuple

FILE = """\
name: {name}
version: {version}
platform: {platform}
mission:
  - missionThread:
    instrumentID: {ids}
    errorHandling: {errors}
    schedule:
      startTime: {start}
      timeZone: {zone}
      loop: {loop}
      event: {event}
    missionSequence:
      - command: {command}
        onError: {on_error}
      - command: wait(1)
        onError:
{more}"""

USUAL = {
    "name": "a",
    "version": "0.4",
    "platform": "{platformID: LJ01D}",
    "ids": "['PRE:A', 'PRE:B']",
    "errors": "{default: retry, maxRetries: 3}",
    "start": "2026-07-18T00:00:00",
    "zone": "US/Pacific",
    "loop": "{quantity: 3, value: 5, units: mins}",
    "event": "{parentID: , eventID: }",
    "command": "PRE:A, execute_resource(START_AUTOSAMPLE)",
    "on_error": "retry",
    "more": "",
}
THREAD = "mission[0]"
LOOP = f"{THREAD}.schedule.loop"
EVENT = f"{THREAD}.schedule.event"
START = f"{THREAD}.schedule.startTime"
FIRST = f"{THREAD}.missionSequence[0]"
COMMAND = f"{FIRST}.command"


class Case(NamedTuple):
    why: str
    changed: dict[str, str]
    said: list[tuple[str, str, str]]

    @property
    def text(self) -> str:
        return FILE.format(**USUAL | self.changed)


def accept(why: str, **changed: str) -> Case:
    return Case(why, changed, [])


def refuse(why: str, path: str, text: str, **changed: str) -> Case:
    return Case(why, changed, [("error", path, text)])


def warn(why: str, path: str, text: str, **changed: str) -> Case:
    return Case(why, changed, [("warning", path, text)])


def command(call: str) -> str:
    """A command in the only way that holds in YAML whatever is in it."""
    return "'" + call.replace("'", "''") + "'"


WAITING = {"start": "", "zone": "", "loop": "", "event": "{parentID: PRE:B, eventID: STOPPED}"}

# fmt: off
CASES = [
    accept("the file as it is"),
    # name, version, platform
    accept("a version is a number or a text", version="1"),
    accept("no name", name=""),
    accept("no platform", platform=""),
    accept("a platform without an id", platform="{platformID: }"),
    refuse("a name is one text", "name", "", name="[a, b]"),
    refuse("a platform has keys", "platform", "LJ01D", platform="LJ01D"),
    refuse("a key of the platform that nobody knows", "platform.platformId", "platformId", platform="{platformId: LJ01D}"),
    refuse("a key of the file that nobody knows", "missions", "missions", more="missions: []\n"),
    refuse("a key twice, though YAML would take the last", "", "name", more="name: b\n"),
    # instrumentID
    accept("one instrument as text", ids="PRE:A"),
    accept("an id without the prefix", ids="[A, B]"),
    refuse("no instruments at all", "mission", "mission", ids="[]", command="LJ01D, execute_resource(TURN_ON_PORT{1})"),
    refuse("instruments are missing", f"{THREAD}.instrumentID", "instrumentID", ids=""),
    refuse("an id in the list is empty", f"{THREAD}.instrumentID[1]", "", ids="['PRE:A', ]".replace(", ", ", ''")),
    refuse("a prefix alone is no id", f"{THREAD}.instrumentID[1]", "PRE:", ids="['PRE:A', 'PRE:']"),
    refuse("two in one text", f"{THREAD}.instrumentID", "PRE:A, PRE:B", ids="PRE:A, PRE:B", command="wait(1)"),
    refuse("a list in the list", f"{THREAD}.instrumentID[1]", "", ids="[PRE:A, [PRE:B]]"),
    refuse("the platform is no instrument", f"{THREAD}.instrumentID[1]", "LJ01D", ids="['PRE:A', 'LJ01D']"),
    warn("an instrument twice", f"{THREAD}.instrumentID[1]", "A", ids="['PRE:A', 'A']"),
    # errorHandling
    accept("no error handling", errors=""),
    accept("error handling without values", errors="{default: , maxRetries: }"),
    accept("each policy: abort", errors="{default: abort}"),
    accept("each policy: abortMission", errors="{default: abortMission}"),
    accept("each policy: skip", errors="{default: skip}"),
    accept("attempts as text", errors="{maxRetries: '4'}"),
    warn("attempts with a fraction are cut", f"{THREAD}.errorHandling.maxRetries", "2.9", errors="{maxRetries: 2.9}"),
    refuse("no attempt at all", f"{THREAD}.errorHandling.maxRetries", "0", errors="{maxRetries: 0}"),
    refuse("fewer than none", f"{THREAD}.errorHandling.maxRetries", "-1", errors="{maxRetries: -1}"),
    refuse("attempts in words", f"{THREAD}.errorHandling.maxRetries", "three", errors="{maxRetries: three}"),
    refuse("attempts that are true", f"{THREAD}.errorHandling.maxRetries", "true", errors="{maxRetries: true}"),
    refuse("attempts without end", f"{THREAD}.errorHandling.maxRetries", ".inf", errors="{maxRetries: .inf}"),
    refuse("attempts beyond all", f"{THREAD}.errorHandling.maxRetries", "99999999999", errors="{maxRetries: 99999999999}"),
    refuse("a policy in capitals", f"{THREAD}.errorHandling.default", "Retry", errors="{default: Retry}"),
    refuse("a policy that nobody knows", f"{THREAD}.errorHandling.default", "ignore", errors="{default: ignore}"),
    refuse("a key that nobody knows", f"{THREAD}.errorHandling.retries", "retries", errors="{retries: 3}"),
    refuse("error handling is no word", f"{THREAD}.errorHandling", "retry", errors="retry"),
    # startTime and timeZone
    accept("a date alone", start="2026-07-18"),
    accept("a blank for the T", start="2026-07-18 01:02:03"),
    accept("fractions of a second are cut", start="2026-07-18T01:02:03.5"),
    accept("UTC by Z", start="2026-07-18T01:02:03Z"),
    accept("an offset", start="2026-07-18T01:02:03+02:00"),
    accept("no zone: UTC", zone=""),
    refuse("the older form of dates", START, "06/01/2014 02:00:00", start="06/01/2014 02:00:00"),
    refuse("a time without seconds is text to YAML", START, "2026-07-18T00:00", start="2026-07-18T00:00"),
    refuse("a time in quotes", START, "2026-07-18T00:00:00", start="'2026-07-18T00:00:00'"),
    refuse("seconds since 1970", START, "1405641600", start="1405641600"),
    refuse("a day that there is not", START, "2026-02-30", start="2026-02-30"),
    refuse("an hour that there is not", START, "2026-02-03T25:00:00", start="2026-02-03T25:00:00"),
    refuse("a year out of range", START, "0001-01-01", start="0001-01-01"),
    refuse("now is no time", START, "now", start="now"),
    refuse("a zone by its abbreviation", f"{THREAD}.schedule.timeZone", "PST", zone="PST"),
    refuse("a zone in other capitals", f"{THREAD}.schedule.timeZone", "utc", zone="utc"),
    refuse("a zone that is the machine's own", f"{THREAD}.schedule.timeZone", "localtime", zone="localtime"),
    refuse("a zone that is a path", f"{THREAD}.schedule.timeZone", "../etc/passwd", zone="../etc/passwd"),
    warn("a time that comes twice", START, "2026-11-01T01:30:00", start="2026-11-01T01:30:00"),
    warn("a time that never comes", START, "2026-03-08T02:30:00", start="2026-03-08T02:30:00"),
    # loop
    accept("for ever", loop="{quantity: -1, value: 5, units: mins}"),
    accept("no loop", loop=""),
    accept("no quantity: once", loop="{quantity: , value: , units: }"),
    accept("quantity 0: once", loop="{quantity: 0}"),
    accept("once needs no interval", loop="{quantity: 1}"),
    accept("units in capitals", loop="{quantity: 3, value: 5, units: MINS}"),
    accept("numbers as text", loop="{quantity: '3', value: '5', units: mins}"),
    accept("an interval with a fraction", loop="{quantity: 3, value: 1.5, units: hrs}"),
    accept("a loop as long as its waits", loop="{quantity: 3, value: 60, units: secs}"),
    refuse("a loop shorter than its waits", f"{LOOP}.value", "59", loop="{quantity: 3, value: 59, units: secs}"),
    refuse("and for one loop too, as the original", f"{LOOP}.value", "59", loop="{quantity: 1, value: 59, units: secs}"),
    refuse("fewer than for ever", f"{LOOP}.quantity", "-2", loop="{quantity: -2, value: 5, units: mins}"),
    refuse("a quantity in words", f"{LOOP}.quantity", "two", loop="{quantity: two, value: 5, units: mins}"),
    refuse("an interval is missing", f"{LOOP}.value", "value", loop="{quantity: 3, value: , units: mins}"),
    refuse("an interval of nothing", f"{LOOP}.value", "0", loop="{quantity: 3, value: 0, units: mins}"),
    refuse("an interval in words", f"{LOOP}.value", "five", loop="{quantity: 3, value: five, units: mins}"),
    refuse("an interval beyond all", f"{LOOP}.value", "value", loop="{quantity: 3, value: 9999, units: days}"),
    refuse("units are missing", f"{LOOP}.units", "units", loop="{quantity: 3, value: 5, units: }"),
    refuse("units that the original took for seconds", f"{LOOP}.units", "hours", loop="{quantity: 3, value: 5, units: hours}"),
    refuse("units that nobody knows", f"{LOOP}.units", "weeks", loop="{quantity: 3, value: 5, units: weeks}"),
    refuse("a key of the loop that nobody knows", f"{LOOP}.unit", "unit", loop="{quantity: 0, unit: mins}"),
    refuse("a loop is no number", LOOP, "3", loop="3"),
    warn("an interval without a quantity", f"{LOOP}.value", "value", loop="{value: 5}"),
    # event
    accept("waits for an event", **WAITING),
    accept("of the platform", **WAITING | {"event": "{parentID: LJ01D, eventID: atStep}"}),
    accept("so many events", **WAITING | {"loop": "{quantity: 2}"}),
    refuse("neither time nor event", START, "startTime", **WAITING | {"event": ""}),
    refuse("neither time nor a filled event", START, "startTime", **WAITING | {"event": "{parentID: , eventID: }"}),
    refuse("whose event is missing", f"{EVENT}.parentID", "", **WAITING | {"event": "{eventID: atStep}"}),
    refuse("which event is missing", f"{EVENT}.eventID", "eventID", **WAITING | {"event": "{parentID: PRE:B, eventID: }"}),
    refuse("a key of the event that nobody knows", f"{EVENT}.parent", "parent", event="{parent: }"),
    refuse("an event is no word", EVENT, "atStep", **WAITING | {"event": "atStep"}),
    warn("an event beside a time", EVENT, "event", event="{parentID: PRE:B, eventID: atStep}"),
    warn("an interval of a thread that waits", f"{LOOP}.value", "value", **WAITING | {"loop": "{value: 5}"}),
    warn("a zone of a thread that waits", f"{THREAD}.schedule.timeZone", "timeZone", **WAITING | {"zone": "UTC"}),
    # commands: who
    accept("the platform", command="LJ01D, execute_resource(TURN_ON_PORT{1})"),
    accept("without the prefix that the list has", command="A, execute_agent(RESET)"),
    accept("blanks around the comma", command=command(" PRE:A , execute_agent(RESET) ")),
    accept("no device where there is one instrument", ids="PRE:A", command="execute_agent(RESET)"),
    refuse("no device where there are two", COMMAND, "execute_agent(RESET)", command="execute_agent(RESET)"),
    refuse("an empty device", COMMAND, ",", command=command(", execute_agent(RESET)")),
    refuse("two devices", COMMAND, "PRE:B, execute_agent", command="PRE:A, PRE:B, execute_agent(RESET)"),
    refuse("an instrument that is not reserved", COMMAND, "PRE:C", command="PRE:C, execute_agent(RESET)"),
    warn("another platform", COMMAND, "LJ02D", command="LJ02D, execute_agent(RESET)"),
    # commands: how
    accept("each method: execute_agent", command="PRE:A, execute_agent(RESET)"),
    accept("each method: set_resource", command="PRE:A, set_resource(INTERVAL{3})"),
    accept("each method: get_resource", command="PRE:A, get_resource(INTERVAL)"),
    accept("several values", command="PRE:A, execute_resource(LOOK_AT{0,0,10})"),
    accept("values with names", command=command("PRE:A, execute_resource(LOOK_AT{pan: 0, tilt: -1.5, on: true})")),
    accept("quoted text with signs", command=command("PRE:A, execute_resource(SAY{'a, (b) {c}: d', \"e\"})")),
    accept("empty braces", command="PRE:A, execute_resource(STOP{})"),
    accept("blanks everywhere", command=command("PRE:A,  set_resource ( INTERVAL { 3 } ) ")),
    refuse("a method that nobody knows", COMMAND, "exec_resource", command="PRE:A, exec_resource(STOP)"),
    refuse("a method in capitals", COMMAND, "Execute_Agent", command="PRE:A, Execute_Agent(RESET)"),
    refuse("no method", COMMAND, "(", command=command("PRE:A, (RESET)")),
    refuse("no name in the brackets", COMMAND, "", command="PRE:A, execute_agent()"),
    refuse("no opening bracket", COMMAND, "execute_agent", command="PRE:A, execute_agent"),
    refuse("no closing bracket", COMMAND, "", command="PRE:A, execute_agent(RESET"),
    refuse("nested calls", COMMAND, "(", command="PRE:A, execute_agent(RESET(1))"),
    refuse("text behind it", COMMAND, "now", command="PRE:A, execute_agent(RESET) now"),
    refuse("two commands", COMMAND, "; execute_agent(RUN)", command="PRE:A, execute_agent(RESET); execute_agent(RUN)"),
    refuse("values without braces", COMMAND, ",", command="PRE:A, set_resource(INTERVAL, 3)"),
    refuse("braces not closed", COMMAND, ")", command="PRE:A, set_resource(INTERVAL{3)"),
    refuse("braces not opened", COMMAND, "}", command="PRE:A, set_resource(INTERVAL 3})"),
    refuse("two pairs of braces", COMMAND, "{", command="PRE:A, set_resource(A{3}{4})"),
    refuse("braces in braces", COMMAND, "{", command="PRE:A, set_resource(A{{3}})"),
    refuse("text behind the braces", COMMAND, "x", command="PRE:A, set_resource(A{3} x)"),
    refuse("a value is missing", COMMAND, ",", command="PRE:A, set_resource(A{1,,2})"),
    refuse("a quote that does not end", COMMAND, "'x})", command='"PRE:A, set_resource(A{\'x})"'),
    refuse("a name twice", COMMAND, "a", command=command("PRE:A, set_resource(A{a: 1, a: 2})")),
    refuse("a number beyond all", COMMAND, "1e999", command="PRE:A, set_resource(A{1e999})"),
    refuse("nothing", COMMAND, "command", command=""),
    refuse("a list", COMMAND, "", command="[wait(1)]"),
    warn("a name without the blank behind it", COMMAND, "pan:0", command="PRE:A, execute_resource(LOOK_AT{pan:0})"),
    # waits
    accept("whole minutes", command="wait(0)"),
    accept("a part of a minute", command="wait(.5)"),
    accept("in capitals", command="WAIT(1)"),
    refuse("a wait in words", COMMAND, "long", command="wait(long)"),
    refuse("a wait without minutes", COMMAND, "", command="wait()"),
    refuse("a negative wait", COMMAND, "-1", command="wait(-1)"),
    refuse("a wait for ever", COMMAND, "inf", command="wait(inf)"),
    refuse("a wait beyond all", COMMAND, "1e9", command="wait(1e9)"),
    warn("a wait is nobody's", COMMAND, "PRE:A", command="PRE:A, wait(1)"),
    # onError, timeout, items
    accept("onError is empty", on_error=""),
    accept("onError: abortMission", on_error="abortMission"),
    accept("a timeout", on_error="retry\n        timeout: 90"),
    refuse("onError that nobody knows", f"{FIRST}.onError", "continue", on_error="continue"),
    warn("a timeout of a wait", f"{THREAD}.missionSequence[1].timeout", "timeout", more="        timeout: 9\n"),
    refuse("a timeout of nothing", f"{FIRST}.timeout", "0", on_error="retry\n        timeout: 0"),
    refuse("a timeout with its unit", f"{FIRST}.timeout", "9 s", on_error="retry\n        timeout: 9 s"),
    refuse("a key of a command that nobody knows", f"{THREAD}.missionSequence[1].on_error", "on_error", more="        on_error: skip\n"),
    refuse("an item that is a text", f"{THREAD}.missionSequence[2]", "wait(1)", more="      - wait(1)\n"),
    refuse("an item without a command", f"{THREAD}.missionSequence[2].command", "", more="      - onError: skip\n"),
    accept("a pre sequence and a post sequence", more="    preMissionSequence:\n    postMissionSequence:\n      - command: wait(1)\n"),
    refuse("a sequence that is a mapping", f"{THREAD}.postMissionSequence", "", more="    postMissionSequence:\n      command: wait(1)\n"),
]
# fmt: on
