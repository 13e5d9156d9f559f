"""Each check is shown to fail on reports that were taken wrongly."""

import secrets
from dataclasses import replace

import pytest

from faults.invariants.reports import Kept, faults_of, kept
from missions.events import utc_now
from settings import Settings
from store.database import Database
from store.tables import agents, assignments, events, work_processes
from tests.faults.lines import Line, idle, journal, said, sent
from tests.support.rows import Rows

OK = Kept(agent="a", status="succeeded", result={"word": 1}, by_muster=False, late_reports=0, late_events=0, ends=1)
LATE = replace(OK, late_reports=1, late_events=1)
CANCEL: Line = {"what": "cancel", "assignment": 7}
LOST: Line = {"what": "lost"}
SUCCEEDED, FAILED = said(7, "succeeded", 1), said(7, "failed", 2)

BAD: dict[str, tuple[list[Line], Kept, str]] = {
    "the second end counts": (
        [SUCCEEDED, FAILED],
        replace(LATE, status="failed", result={"word": 2}),
        "assignment 7 is failed with {'word': 2}, its agent a said [('succeeded', {'word': 1})]",
    ),
    "the second result counts": (
        [SUCCEEDED, said(7, "succeeded", 2)],
        replace(OK, result={"word": 2}),
        "assignment 7 is succeeded with {'word': 2}, its agent a said [('succeeded', {'word': 1})]",
    ),
    "another agent's word counts": (
        [{**FAILED, "agent": "b"}, SUCCEEDED],
        replace(OK, status="failed", result={"word": 2}),
        "assignment 7 is failed with {'word': 2}, its agent a said [('succeeded', {'word': 1})]",
    ),
    "nothing is noted": (
        [SUCCEEDED, FAILED],
        OK,
        "nothing is noted of what agent a said after the end of assignment 7",
    ),
    "two ends in the log": ([SUCCEEDED], replace(OK, ends=2), "assignment 7 is succeeded and ended 2 times in the log"),
    "no end in the log": ([SUCCEEDED], replace(OK, ends=0), "assignment 7 is succeeded and ended 0 times in the log"),
    "an end that nobody said": (
        [said(7, "executing", 0)],
        OK,
        "assignment 7 is succeeded, its agent a said no last word of it",
    ),
    "two events of late reports": (
        [SUCCEEDED, FAILED],
        replace(LATE, late_reports=2, late_events=2),
        "assignment 7 has 2 late reports and 2 events of them",
    ),
    "canceled without having been asked": (
        [idle(), SUCCEEDED],
        replace(OK, status="canceled"),
        "assignment 7 is canceled with {'word': 1}, its agent a said [('succeeded', {'word': 1})]",
    ),
}
GOOD: dict[str, tuple[list[Line], Kept]] = {
    "the first end counts": ([SUCCEEDED, FAILED], LATE),
    "a repeat": ([SUCCEEDED, said(7, "succeeded", 2)], OK),
    "the first end was lost": ([FAILED, LOST, SUCCEEDED], OK),
    "of one who was lost and repeats it": ([SUCCEEDED, LOST, SUCCEEDED], OK),
    "given up by Muster": ([SUCCEEDED], replace(LATE, status="failed", by_muster=True)),
    "idle when asked to stop": ([CANCEL, idle(), SUCCEEDED], replace(LATE, status="canceled")),
    "of a device, which does not write down what it says": ([{"what": "begin", "assignment": 7}], OK),
    "of an agent that does not write down its results": ([{k: v for k, v in SUCCEEDED.items() if k != "result"}], OK),
    "still under way": ([said(7, "executing", 0)], replace(OK, status="executing", ends=0)),
    "executing before the end": ([said(7, "executing", 0), SUCCEEDED], OK),
}


def test_idle_after_a_request_that_it_did_not_hear() -> None:
    """One that was killed, and says that it is free when it is back."""
    lines, row = journal(said(7, "executing", 0), {**idle(), "at": 5.0}), replace(OK, status="canceled")
    assert list(faults_of(lines, {7: row}, [sent("cancel", 1, 7, agent="a", at=4.0)])) == []
    nobody_asked = "assignment 7 is canceled, its agent a said no last word of it"
    assert list(faults_of(lines, {7: row}, [sent("cancel", 1, 7, agent="a", at=6.0)])) == [nobody_asked]


@pytest.mark.parametrize("case", BAD)
def test_what_was_taken_wrongly_is_found(case: str) -> None:
    lines, row, fault = BAD[case]
    assert fault in list(faults_of(journal(*lines), {7: row}))


@pytest.mark.parametrize("case", GOOD)
def test_what_was_taken_rightly_is_passed(case: str) -> None:
    lines, row = GOOD[case]
    assert list(faults_of(journal(*lines), {7: row})) == []


async def test_assignments_are_read_with_their_events(database: Database, settings: Settings) -> None:
    rows, uuid = Rows(database), secrets.token_hex(6)
    agent = await rows.made(agents, uuid=uuid)
    mission = await rows.made(work_processes, work_process_type_name="drive", status="succeeded", created_by={})
    of = {"work_process_id": mission, "attempt": 1, "step": "s", "dispatch_group": 0, "workflow_id": uuid}
    told = await rows.made(
        assignments, **of, result_index=0, agent_id=agent, status="failed", result={"word": 3}, late_reports=2
    )
    stopped = await rows.made(assignments, **of, result_index=1, agent_id=agent, status="canceled")
    for number, (kind, payload) in enumerate(
        [
            ("assignment.status_changed", {"assignment_id": told, "from": "to_dispatch", "to": "executing"}),
            ("assignment.status_changed", {"assignment_id": told, "from": "executing", "to": "failed"}),
            ("assignment.late_report", {"assignment_id": told, "status": "failed", "reported": "succeeded"}),
        ]
    ):
        await rows.made(
            events,
            uuid=f"00000000-0000-0000-0000-{secrets.token_hex(6)}",
            type=kind,
            source="test",
            timestamp=utc_now(),
            payload=payload,
            work_process_id=mission,
            mission_sequence=number + 1,
            severity="INFO",
            actor={},
            source_module="test",
        )
    found = await kept(settings.database_url)
    assert found[told] == Kept(uuid, "failed", {"word": 3}, False, late_reports=2, late_events=1, ends=1)
    assert found[stopped] == Kept(uuid, "canceled", None, True, late_reports=0, late_events=0, ends=0)
