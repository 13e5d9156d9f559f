"""The next version of Muster: a copy of its code with a change of the workflows' commands."""

import shutil
from pathlib import Path

from tests.support.site import ROOT

_PARTS = ("activities", "engine", "fleet", "missions", "muster", "outlets", "store", "workflows")
_MISSION, _THREAD = "look-first", "hold-first"
# Near the beginning: every run that is on its way has passed there.
_CHANGES = {
    "work_process.py": (
        "            await wait_for_start(mission)\n",
        _MISSION,
        "await look_up(mission, [])",
        "from workflows.looking_up import look_up\n",
    ),
    "mission_thread.py": (
        "            if not thread.pre_done:\n",
        _THREAD,
        'await workflow.sleep(0.05, summary="hold")',
        "",
    ),
}


def next_version(folder: Path, *, patched: bool) -> Path:
    """Write it; each mission calls one activity more, each thread waits for one timer more."""
    for part in _PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("settings.py", "worker.py"):
        shutil.copy(ROOT / file, folder / file)
    for name, (before, patch, command, imported) in _CHANGES.items():
        path = folder / "workflows" / name
        source = path.read_text()
        assert source.count(before) == 1
        added = (
            f'            if workflow.patched("{patch}"):\n                {command}\n'
            if patched
            else f"            {command}\n"
        )
        source = source.replace(before, added + before)
        path.write_text(
            source.replace("from workflows.ending", f"{imported}from workflows.ending", 1) if imported else source
        )
    return folder
