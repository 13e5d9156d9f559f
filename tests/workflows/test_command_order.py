"""A change of the order of commands is noticed where no stored history goes, and allowed below a patch."""

import pytest

from muster import __version__
from scripts.command_order import (
    BASELINE,
    WORKFLOWS,
    Unreadable,
    complaints,
    is_released,
    of_folder,
    of_sources,
    read,
    written,
)

SAMPLE = '''
class Run:
    """A run."""

    async def run(self, start):
        await act(Activity.RESERVE, call(), "reserve")
        if start.paused:
            await self.until(lambda: self.resumed, timeout=start.limit)
        await self._work()
        # It is told at the end.
        await self._mission.signal(Signals.DONE, news)
        workflow.logger.info("it is over")

    async def _work(self):
        for step in self.steps:
            handle = workflow.start_activity(step.uses, step)
            await handle
        await act(Activity.RELEASE, call(), "release")


async def act(name, call, summary):
    return await workflow.execute_activity(name, call, summary=summary)
'''
RESERVE = '        await act(Activity.RESERVE, call(), "reserve")\n'
RELEASE = '        await act(Activity.RELEASE, call(), "release")\n'
WORK = "        await self._work()\n"
LOOK = "            await workflow.execute_activity('look')\n"
TIMER = "            await self.until(lambda: self.resumed, timeout=start.limit)\n"
EACH = '        await asyncio.gather(*(act(Activity.RESERVE, call(), "reserve") for _ in start.agents))\n'
TOLD = "        await self._mission.signal(Signals.DONE, news)\n"

CHANGES = {
    "two swapped": [(RESERVE, ""), (TOLD, TOLD + RESERVE)],
    "an activity and a call swapped": [(WORK, ""), (RESERVE, WORK + RESERVE)],
    "an activity more": [(RESERVE, RESERVE + '        await act(Activity.LOOK, call(), "look")\n')],
    "an activity more, by its name": [(RESERVE, RESERVE + '        await workflow.execute_activity("look")\n')],
    "another activity": [("RESERVE", "TAKE")],
    "no timer": [(", timeout=start.limit", "")],
    "a timer more": [("            await handle\n", "            await handle\n            await asyncio.sleep(1)\n")],
    "a timer more, by asyncio's wait": [
        ("            await handle\n", "            await asyncio.wait([handle], timeout=1)\n")
    ],
    "one for each instead of one": [(RESERVE, EACH)],
    "another signal": [("Signals.DONE", "Signals.OVER")],
    "no signal": [(TOLD, "")],
    "a child instead": [("start_activity(step.uses, step)", "start_child_workflow(step.uses, step)")],
    "always what was sometimes": [("        if start.paused:\n" + TIMER, TIMER[4:])],
    "out of its loop": [("            await handle\n", "            await handle\n    " + RELEASE), (RELEASE, "")],
    "below a condition that is no patch": [(RESERVE, "        if start.reserves:\n    " + RESERVE)],
    "a patch that has no else": [(RESERVE, '        if workflow.patched("late"):\n    ' + RESERVE)],
    "more than what is patched": [
        (RESERVE, '        if workflow.patched("look"):\n    ' + RESERVE.replace("RESERVE", "LOOK") + RESERVE),
        (TOLD, ""),
    ],
}  # fmt: skip
HARMLESS = {
    "comments, docstrings, logs, words": [
        ("# It is told at the end.", "# At last."),
        ('"""A run."""', '"""One run."""'),
        ('workflow.logger.info("it is over")', 'workflow.logger.warning("over")\n        workflow.logger.info("all")'),
        ('"reserve")', '"reserve all")'),
    ],
    "names of locals": [("handle", "asked"), ("for step in", "for one in"), ("step.uses, step", "one.uses, one")],
    "what gives no command": [(RESERVE, RESERVE + "        self.board.show(start.words)\n")],
    "what gives no command, for each": [
        (RESERVE, RESERVE + "        shown = {one: [one.text] for one in start.words}\n")
    ],
    "a match that gives no command": [
        (
            RESERVE,
            RESERVE + "        match start.kind:\n            case 1:\n                self.board.show(start.words)\n",
        )
    ],
    "a wait without a time limit": [(RESERVE, RESERVE + "        await self.until(lambda: self.ready)\n")],
}
REFACTORED = {
    "another name": [("_work", "_work_hard")],
    "split": [(RELEASE, "        await self._end()\n\n    async def _end(self):\n" + RELEASE)],
    "joined": [
        (WORK, SAMPLE[SAMPLE.index("        for step") : SAMPLE.index("\n\nasync def act")]),
        (SAMPLE[SAMPLE.index("    async def _work") : SAMPLE.index("\n\nasync def act")], ""),
    ],
}
PATCHED = {
    "one more": [(RESERVE, '        if workflow.patched("look"):\n' + LOOK + RESERVE)],
    "one instead": [
        (
            RESERVE,
            '        if workflow.patched("take"):\n    '
            + RESERVE.replace("RESERVE", "TAKE")
            + "        else:\n    "
            + RESERVE,
        )
    ],
    "the other way round": [(RESERVE, '        if not workflow.patched("no-reserve"):\n    ' + RESERVE)],
    "a function that is new": [
        (RESERVE, RESERVE + '        if workflow.patched("look"):\n            await self._look()\n'),
        ("    async def _work", f"    async def _look(self):\n{LOOK[4:]}\n    async def _work"),
    ],
}  # fmt: skip


def changed(changes: list[tuple[str, str]], source: str = SAMPLE) -> str:
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    compile(source, "changed", "exec")
    return source


def complaint(before: str, now: str, *, released: bool) -> str:
    return complaints(of_sources([before]), of_sources([now]), released=released)


def each(cases: dict[str, list[tuple[str, str]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("changes", cases.values(), ids=cases.keys())


@each(CHANGES)
def test_a_change_is_noticed(changes: list[tuple[str, str]]) -> None:
    assert "make histories" in complaint(SAMPLE, changed(changes), released=False)
    assert "workflow.patched" in complaint(SAMPLE, changed(changes), released=True)


@each(HARMLESS)
def test_what_changes_no_command_is_none(changes: list[tuple[str, str]]) -> None:
    assert not complaint(SAMPLE, changed(changes), released=False)
    assert not complaint(SAMPLE, changed(changes), released=True)


@each(REFACTORED)
def test_functions_may_be_named_split_and_joined_after_a_release(changes: list[tuple[str, str]]) -> None:
    assert not complaint(SAMPLE, changed(changes), released=True)


@each(PATCHED)
def test_after_a_release_a_change_below_a_patch_is_allowed(changes: list[tuple[str, str]]) -> None:
    assert "make histories" in complaint(SAMPLE, changed(changes), released=False)
    assert not complaint(SAMPLE, changed(changes), released=True)


@pytest.mark.parametrize(
    ("old", "new"), [("RESERVE", "TAKE"), ("start.agents", "await act(Activity.LOOK, call(), '')")]
)
def test_a_change_inside_a_comprehension_is_noticed(old: str, new: str) -> None:
    before = changed([(RESERVE, EACH)])
    assert complaint(before, changed([(old, new)], before), released=True)


@pytest.mark.parametrize("before", [SAMPLE, changed([(RESERVE, EACH)])])
@pytest.mark.parametrize("comprehension", ["[{}]", "{{{}}}", "{{_: {}}}"])
def test_every_comprehension_is_a_loop(before: str, comprehension: str) -> None:
    each = 'act(Activity.RESERVE, call(), "reserve")'
    now = changed([(RESERVE, f"        asked = {comprehension.format(each + ' for _ in start.agents')}\n")])
    assert bool(complaint(before, now, released=True)) is (before == SAMPLE)


def test_a_match_around_commands_is_refused() -> None:
    match = "        match start.kind:\n            case 1:\n        " + RESERVE
    with pytest.raises(Unreadable, match=r"Run\.run.*`if`"):
        of_sources([changed([(RESERVE, match)])])
    call = changed([(WORK, "        match start.kind:\n            case 1:\n        " + WORK)])
    with pytest.raises(Unreadable, match=r"Run\.run"):
        of_sources([call])


def test_a_patch_of_the_released_version_allows_no_other_change() -> None:
    before = changed(PATCHED["one instead"])
    assert complaint(before, before.replace("TAKE", "BORROW"), released=True)


def test_a_patch_is_taken_back_by_deprecating_it_first() -> None:
    patched, gone = changed(PATCHED["one instead"]), changed([("RESERVE", "TAKE")])
    deprecated = changed([(RESERVE, '        workflow.deprecate_patch("take")\n' + RESERVE.replace("RESERVE", "TAKE"))])
    assert not complaint(patched, deprecated, released=True)
    assert not complaint(deprecated, gone, released=True)
    assert complaint(patched, gone, released=True)
    assert complaint(patched, SAMPLE, released=True)


@pytest.mark.parametrize(
    ("version", "released"),
    [("0.0.9", False), ("0.1.0.dev0", False), ("0.1.0rc1", False), ("0.1.0", True), ("0.1.1.dev0", True)],
)
def test_runs_of_others_begin_with_version_0_1(version: str, released: bool) -> None:
    assert is_released(version) is released


def test_baseline_is_read_as_it_was_written() -> None:
    trees = of_folder()
    assert read(written(trees)) == trees


def test_commands_are_given_in_the_order_of_the_baseline() -> None:
    """Red: see what it says."""
    wrong = complaints(read(BASELINE.read_text()), of_folder(), released=is_released(__version__))
    assert not wrong, f"\n{wrong}"


def test_every_workflow_is_seen() -> None:
    """A change of the real files is noticed, also in what they call."""
    sources = {path.name: path.read_text() for path in sorted(WORKFLOWS.glob("*.py"))}
    for file, old, new in (
        ("work_process.py", "await reserve(mission)", "pass"),
        ("mission_file.py", "await threads.start()", "pass"),
        ("platform_command.py", "await self._settle()\n            return", "return"),
        ("thread_commands.py", "await thread.until_time(until, command.text)", "pass"),
        ("ending.py", "timeout=mission.start.cancel_resend_interval,", ""),
        ("search_attributes.py", "ALL_KEYS = (", "ALL_KEYS: object = ("),
    ):
        assert old in sources[file]
        now = of_sources([*(sources | {file: sources[file].replace(old, new)}).values()])
        assert bool(complaints(of_folder(), now, released=True)) is (file != "search_attributes.py"), file
