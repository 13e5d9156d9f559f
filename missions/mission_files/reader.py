"""Reads and checks a mission file: everything that is wrong with it at once, each with its place."""

from pydantic import BaseModel, ConfigDict

from missions.mission_files.between_threads import check_between
from missions.mission_files.fields import Fields, Value, fields, listed, text
from missions.mission_files.issues import Issue, Issues
from missions.mission_files.plan import MissionPlan
from missions.mission_files.references import (
    PlatformFacts,
    References,
    check_against_platform,
    check_by_themselves,
)
from missions.mission_files.threads import ReadThread, read_thread
from missions.mission_files.yaml_tree import Mapping, Node, read_tree

FILE = ("name", "version", "description", "platform", "mission")
PLATFORM = ("platformID",)
MAX_THREADS = 100
"""In one file: each is compared with each."""
MAX_THREAD = 512 * 1024
"""Bytes of a thread's plan: the engine, which gets it with each run of the thread, refuses results of 2 MB."""


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
    values = _threads(file, issues)
    threads = [read_thread(each, number, references, issues) for number, each in enumerate(values)]
    if values and not issues.has_errors and not any(thread.instruments for thread in threads):
        message = "no thread names an instrument, so there is nothing that the mission could be run with"
        issues.error(file.place("mission"), message, "list the instruments that it needs under `instrumentID`")
    for each, thread in zip(values, threads, strict=True):
        _check_size(each, thread, issues)
    check_between(threads, issues)
    if platform is None:
        check_by_themselves(references, issues)
    else:
        check_against_platform(references, platform, issues)
    plans = [thread.plan for thread in threads if thread.plan is not None]
    return MissionPlan(name=name, version=version, description=description, platform=own, threads=plans)


def _check_size(value: Value, thread: ReadThread, issues: Issues) -> None:
    if thread.plan is not None and len(thread.plan.model_dump_json()) > MAX_THREAD:
        issues.error(
            value.place,
            f"the thread's commands take more than {MAX_THREAD // 1024} KiB as they are kept",
            "write it as several threads, or several files",
        )


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
