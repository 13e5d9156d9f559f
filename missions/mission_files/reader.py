"""Reads and checks a mission file: everything that is wrong with it at once, each with its place."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations

from pydantic import BaseModel, ConfigDict

from missions.mission_files.clashes import Windows, first_overlap
from missions.mission_files.fields import Fields, Value, fields, listed, text
from missions.mission_files.issues import Issue, Issues
from missions.mission_files.plan import ENDLESS, MissionPlan
from missions.mission_files.references import (
    PlatformFacts,
    References,
    check_against_platform,
    check_by_themselves,
)
from missions.mission_files.schedules import interval
from missions.mission_files.threads import ReadThread, read_thread
from missions.mission_files.time_zones import in_utc
from missions.mission_files.yaml_tree import Mapping, Node, read_tree

FILE = ("name", "version", "description", "platform", "mission")
PLATFORM = ("platformID",)
MAX_THREADS = 100
"""In one file: each is compared with each."""


class Read(BaseModel):
    """What a file says; `plan` is there only if no issue is an error."""

    model_config = ConfigDict(frozen=True)

    plan: MissionPlan | None
    issues: list[Issue]

    @property
    def errors(self) -> list[Issue]:
        """Why it cannot be run."""
        return [issue for issue in self.issues if issue.severity == "error"]

    @property
    def warnings(self) -> list[Issue]:
        """What its author may not have meant."""
        return [issue for issue in self.issues if issue.severity == "warning"]


def read_mission_file(content: str | bytes, platform: PlatformFacts | None = None) -> Read:
    """Read a file's text or bytes, whatever they are. `platform`: the one that is to run it, if it is known."""
    issues = Issues()
    root = read_tree(content, issues)
    plan = None if root is None and issues.has_errors else _read_plan(root, platform, issues)
    return Read(plan=None if issues.has_errors else plan, issues=issues.listed())


def _read_plan(root: Node | None, platform: PlatformFacts | None, issues: Issues) -> MissionPlan | None:
    value = Value(root or Mapping(1, 1), "")
    file = fields(value, FILE, issues, "write `mission:` and its threads")
    if file is None:
        return None
    references = References()
    name, version, description = (_line(file, key, issues) for key in ("name", "version", "description"))
    own = _platform_id(file, references, issues)
    threads = [read_thread(each, number, references, issues) for number, each in enumerate(_threads(file, issues))]
    _check_between(threads, issues)
    if platform is None:
        check_by_themselves(references, issues)
    else:
        check_against_platform(references, platform, issues)
    plans = [thread.plan for thread in threads if thread.plan is not None]
    return MissionPlan(name=name, version=version, description=description, platform=own, threads=plans)


def _line(file: Fields, key: str, issues: Issues) -> str:
    value = file.filled(key)
    return "" if value is None else text(value, issues) or ""


def _platform_id(file: Fields, references: References, issues: Issues) -> str:
    value = file.filled("platform")
    part = value and fields(value, PLATFORM, issues, "write `platformID: …` below it")
    found = part.filled("platformID") if part else None
    own = text(found, issues) if found else None
    if found is None or not own:
        return ""
    references.platform = found.place
    return own


def _threads(file: Fields, issues: Issues) -> list[Value]:
    value = file.filled("mission")
    if value is None:
        issues.error(
            file.place("mission"), "there is no mission", "write `mission:` and its threads as a list below it"
        )
        return []
    found = listed(value, issues, "write each thread as an item: `- missionThread:`")
    if not found and not issues.has_errors:
        issues.error(value.place, "the mission has no threads", "write each thread as an item: `- missionThread:`")
    if len(found) > MAX_THREADS:
        issues.error(found[MAX_THREADS].place, f"there are more than {MAX_THREADS} threads", "write several files")
    return found[:MAX_THREADS]


# --- between threads


def _check_between(threads: list[ReadThread], issues: Issues) -> None:
    for one, other in combinations([thread for thread in threads if thread.schedule.timing is not None], 2):
        _refuse_clash(one, other, issues)
    for thread in threads:
        if thread.schedule.trigger is not None:
            _say_shared(thread, threads, issues)


def _refuse_clash(one: ReadThread, other: ReadThread, issues: Issues) -> None:
    shared = next(_shared(one, other), None)
    place = other.schedule.start
    if shared is None or place is None:
        return
    first, second = _windows(one), _windows(other)
    at = first_overlap(first, second)
    if at is not None:
        when = datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(at))
        message = f"threads {one.number} and {other.number} both need `{shared}` at {when:%Y-%m-%d %H:%M:%S} UTC"
        issues.error(place, message, "move one of them, or write both into one thread")
    elif (
        first.interval is None
        or second.interval is None
        or first_overlap(first.endless(), second.endless()) is not None
    ):
        message = (
            f"threads {one.number} and {other.number} both need `{shared}`, and will overlap if the mission starts late"
        )
        issues.warning(place, message, "start it before their times, or write both into one thread")


def _windows(thread: ReadThread) -> Windows:
    timing = thread.schedule.timing
    assert timing is not None
    each = interval(timing)
    count = None if timing.quantity == ENDLESS else timing.quantity if each is not None else 1
    return Windows(int(in_utc(timing.start, timing.time_zone).timestamp()), thread.waits, each, count)


def _say_shared(waiting: ReadThread, threads: list[ReadThread], issues: Issues) -> None:
    for name, place in waiting.instruments.items():
        timed = [str(each.number) for each in threads if each.schedule.timing is not None and name in each.instruments]
        if timed:
            message = f"`{place.text}` is also needed at the times of thread {', '.join(timed)}"
            issues.warning(place, message, "see that they cannot disturb each other")


def _shared(one: ReadThread, other: ReadThread) -> Iterator[str]:
    return (place.text for name, place in one.instruments.items() if name in other.instruments)
