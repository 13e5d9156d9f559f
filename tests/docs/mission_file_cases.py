"""The table of the cases that hold how mission files run."""

from tests.conformance.mission_files.case import STATUSES, Case, counted
from tests.conformance.mission_files.cases import TABLES
from tests.support.platform_stage import TIME_SCALE


def case_tables() -> str:
    """One table for each subject."""
    lines: list[str] = []
    for subject, cases in TABLES.items():
        lines += [f"### {subject}", ""]
        lines += [
            "| case | threads | what happens | events of each thread | mission | commands, and the instruments' ends |"
        ]
        lines += ["|---|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(case))} |" for case in cases]
        lines += [""]
    return "\n".join(lines)


def _cells(case: Case) -> list[str]:
    return [
        case.name.removeprefix("file_").replace("_", " ") if not case.file else f"`{case.file}`",
        _lines(_threads(case)),
        _lines(_happenings(case)),
        _lines(case.in_short),
        f"{', '.join(case.frame)}; `{STATUSES[case.frame]}`",
        _lines(_devices(case)),
    ]


def _threads(case: Case) -> list[str]:
    if case.file:
        return [f"as in the file, but `{case.but[1]}`" if case.but[0] else "as in the file"]
    return [f"{number}: {thread.words()}" for number, thread in enumerate(case.threads)]


def _happenings(case: Case) -> list[str]:
    found = [fault.words() for fault in case.faults]
    found += [case.meanwhile.words] if case.meanwhile else []
    found += [f"holds: {case.also.words}"] if case.also else []
    return found if case.scale == TIME_SCALE else [*found, f"{case.scale:g} times as fast as the clock"]


def _devices(case: Case) -> list[str]:
    return [
        f"{name}: {', '.join(counted(case.commands.get(name, '').split()))}"
        + (f" → {case.ends[name]}" if name in case.ends else "")
        for name in sorted({*case.commands, *case.ends})
    ]


def _lines(lines: list[str]) -> str:
    return "<br>".join(lines) or "–"
