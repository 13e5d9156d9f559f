"""Reads one mission thread: its instruments, schedule, error handling and three sequences."""

from dataclasses import dataclass, field
from fractions import Fraction

from missions.mission_files.commands import Call, parse_command
from missions.mission_files.fields import Fields, Value, fields, listed, number, text, whole, word
from missions.mission_files.issues import Issues, Place
from missions.mission_files.plan import Command, ErrorPolicy, ThreadPlan, plain_id
from missions.mission_files.references import References
from missions.mission_files.schedules import Schedule, exact_seconds, interval, read_schedule
from missions.mission_files.yaml_tree import Items, Mapping, Scalar

DEFAULT_POLICY = ErrorPolicy.RETRY
DEFAULT_ATTEMPTS = 3

SEQUENCES = ("preMissionSequence", "missionSequence", "postMissionSequence")
THREAD = ("missionThread", "instrumentID", "errorHandling", "schedule", *SEQUENCES)
ERROR_HANDLING = ("default", "maxRetries")
ITEM = ("command", "onError", "timeout")

_LONGEST_TIMEOUT = 10 * 365 * 86_400


@dataclass(frozen=True)
class _Errors:
    policy: ErrorPolicy
    attempts: int


MAX_COMMAND_TEXT = 1024 * 1024
"""Characters of all commands of a file; an alias may repeat a long one many times."""


@dataclass
class ReadThread:
    """A thread as far as it can be read, and where it stands: for what is checked between threads."""

    number: int
    instruments: dict[str, Place] = field(default_factory=dict)  # by their plain ids
    schedule: Schedule = field(default_factory=Schedule)
    waits: Fraction = Fraction(0)  # of the mission sequence, in seconds
    plan: ThreadPlan | None = None


def read_thread(value: Value, ordinal: int, references: References, issues: Issues) -> ReadThread:
    """One item of `mission`."""
    return _Thread(ordinal, references, issues).read(value)


class _Thread:
    def __init__(self, ordinal: int, references: References, issues: Issues) -> None:
        self._read = ReadThread(ordinal)
        self._references = references
        self._issues = issues

    def read(self, value: Value) -> ReadThread:
        thread = fields(value, THREAD, self._issues, "write `instrumentID`, `schedule`, `missionSequence` …")
        if thread is None:
            return self._read
        marker = thread.filled("missionThread")
        if marker is not None:
            remedy = "leave it empty, and write its keys with the same indentation as `missionThread`"
            self._issues.error(marker.place, "`missionThread` takes no value", remedy)
            if isinstance(marker.node, Mapping):
                self._references.complete = False
                return self._read
        ids = self._instruments(thread)
        errors = self._error_handling(thread)
        self._schedule(thread)
        if thread.get("missionSequence") is None:
            remedy = "write its commands, or the key alone"
            self._issues.error(thread.place("missionSequence"), "`missionSequence` is missing", remedy)
        pre, sequence, post = (self._sequence(thread, name, ids, errors) for name in SEQUENCES)
        if thread.get("missionSequence") is not None and not any(thread.filled(name) for name in SEQUENCES):
            self._issues.warning(thread.place("missionSequence"), "the thread does nothing", "write its commands")
        self._read.waits = sum((exact_seconds(each.wait_minutes or 0, "mins") for each in sequence), Fraction(0))
        self._refuse_short_loop()
        schedule = self._read.schedule
        if schedule.timing is not None or schedule.trigger is not None:
            self._read.plan = ThreadPlan(
                number=self._read.number,
                instruments=ids,
                max_retries=errors.attempts,
                timing=schedule.timing,
                trigger=schedule.trigger,
                pre=pre,
                sequence=sequence,
                post=post,
            )
        return self._read

    # --- its parts

    def _instruments(self, thread: Fields) -> list[str]:
        value = thread.get("instrumentID")
        remedy = "write the instruments that the thread needs, such as `['PRE:CTD_1']`"
        if value is None or value.is_empty:
            self._references.complete = False
            self._issues.error(thread.place("instrumentID"), "`instrumentID` is missing", remedy)
            return []
        if isinstance(value.node, Scalar) and "," in value.text:
            self._references.complete = False
            self._issues.error(value.place, f"`{value.text}` is one text with a comma", "write a list: `[A, B]`")
            return []
        ids: list[str] = []
        for item in [value] if isinstance(value.node, Scalar) else listed(value, self._issues, remedy):
            name = text(item, self._issues)
            if name is None:
                continue
            plain = plain_id(name)
            if item.is_empty or not plain:
                self._issues.error(item.place, "an instrument's id is missing", "write it, or remove the item")
            elif plain in self._read.instruments:
                self._issues.warning(item.place, f"`{name}` is listed twice", "remove one")
            else:
                self._read.instruments[plain] = item.place
                self._references.instruments.append(item.place)
                ids.append(name)
        return ids

    def _error_handling(self, thread: Fields) -> _Errors:
        value = thread.filled("errorHandling")
        handling = value and fields(value, ERROR_HANDLING, self._issues, "write `default` and `maxRetries` below it")
        if not handling:
            return _Errors(DEFAULT_POLICY, DEFAULT_ATTEMPTS)
        attempts_value = handling.filled("maxRetries")
        attempts = DEFAULT_ATTEMPTS if attempts_value is None else whole(attempts_value, self._issues)
        if attempts_value is not None and attempts is not None and attempts < 1:
            message = f"with {attempts} attempts no command would be sent"
            remedy = "write 1 or more; it is the number of attempts in all"
            self._issues.error(attempts_value.place, message, remedy)
        return _Errors(self._policy(handling, "default") or DEFAULT_POLICY, max(1, attempts or 1))

    def _policy(self, part: Fields, name: str) -> ErrorPolicy | None:
        value = part.filled(name)
        found = value and word(value, list(ErrorPolicy), "is no error policy", self._issues)
        return ErrorPolicy(found) if found else None

    def _schedule(self, thread: Fields) -> None:
        value = thread.get("schedule")
        if value is None:
            remedy = "write `startTime`, or the `event` that it waits for"
            self._issues.error(thread.place("schedule"), "`schedule` is missing", remedy)
            return
        self._read.schedule = read_schedule(value, self._issues)
        if self._read.schedule.source is not None:
            self._references.sources.append(self._read.schedule.source)

    def _refuse_short_loop(self) -> None:
        timing, place, waits = self._read.schedule.timing, self._read.schedule.loop, self._read.waits
        each = None if timing is None else interval(timing)
        if each is not None and place is not None and waits > each:
            message = f"the loop of {float(each):g} s is shorter than its sequence's waits of {float(waits):g} s"
            self._issues.error(place, message, "write a longer loop, or shorter waits")

    # --- sequences

    def _sequence(self, thread: Fields, name: str, ids: list[str], errors: _Errors) -> list[Command]:
        value = thread.filled(name)
        if value is None:
            return []
        commands = []
        for item in listed(value, self._issues, "write each command as an item: `- command: …`"):
            if self._issues.full or self._references.command_text > MAX_COMMAND_TEXT:
                break
            command = self._item(item, ids, errors)
            if command is not None:
                commands.append(command)
        return commands

    def _item(self, value: Value, ids: list[str], errors: _Errors) -> Command | None:
        item = fields(value, ITEM, self._issues, "write `- command: …`")
        if item is None:
            return None
        policy = self._policy(item, "onError") or errors.policy
        timeout = self._timeout(item)
        written = item.filled("command")
        if written is None:
            self._issues.error(item.place("command"), "`command` is missing", "write it")
            return None
        if not isinstance(written.node, Scalar):
            remedy = "put the whole command in quotes"
            kind = "a list" if isinstance(written.node, Items) else "a mapping"
            self._issues.error(written.place, f"the command is {kind}", remedy)
            return None
        self._references.command_text += len(written.node.value)
        if self._references.command_text > MAX_COMMAND_TEXT:
            message = f"the file's commands have more than {MAX_COMMAND_TEXT // 1024} KiB of text up to here"
            self._issues.error(written.place, message, "write several files; what an alias repeats counts each time")
            return None
        call = parse_command(written.node.value)
        for problem in call.problems:
            say = self._issues.warning if problem.warning else self._issues.error
            say(_part_of(written, problem.offset, problem.text), problem.message, problem.remedy)
        device = self._device(written, call, ids)
        if not all(problem.warning for problem in call.problems):
            return None
        if call.is_wait:
            if timeout is not None:
                self._issues.warning(item.place("timeout"), "`timeout` is without effect on a wait", "remove it")
            return Command(text=written.text, wait_minutes=call.wait_minutes, on_error=policy)
        return Command(
            text=written.text,
            device=device,
            method=call.method,
            name=call.name,
            values=call.values,
            named=call.named,
            on_error=policy,
            timeout=timeout,
        )

    def _device(self, written: Value, call: Call, ids: list[str]) -> str:
        """Whose the command is; a wait is nobody's."""
        place = _part_of(written, call.device_offset, call.device)
        if call.is_wait:
            if call.device:
                self._issues.warning(place, "a wait is nobody's", f"remove `{call.device},`")
            return ""
        if call.device:
            self._references.prefixes.append(place)
            return call.device
        if "," in written.text.split("(", 1)[0]:
            return ""  # it has been told
        if len(ids) == 1:
            return ids[0]
        if not ids and not self._references.complete:
            return ""
        which = "several" if ids else "no"
        message = f"the command names no device, and its thread has {which} instruments"
        self._issues.error(written.place, message, f"write whose it is: `DEVICE, {written.text[:60]}`")
        return ""

    def _timeout(self, item: Fields) -> float | None:
        value = item.filled("timeout")
        if value is None:
            return None
        seconds = number(value, self._issues)
        if seconds is not None and not 0 < seconds <= _LONGEST_TIMEOUT:
            self._issues.error(value.place, f"a timeout cannot be {value.text} s", "write seconds, more than 0")
        return None if seconds is None else float(seconds)


def _part_of(written: Value, offset: int, part: str) -> Place:
    """Where a part of a command stands: its own column if the command is written on one line, as it is."""
    node = written.node
    assert isinstance(node, Scalar)
    if node.offset is None:
        return Place(node.line, node.column, written.path, part or written.text)
    return Place(node.line, node.column + node.offset + offset, written.path, part)
