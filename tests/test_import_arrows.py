"""Who may import whom (docs: the house), and what workflow code may not do. Held on the source, by parsing it.

Imports inside functions and under TYPE_CHECKING count like all others.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each unit of ours, and the units that it may import.
ARROWS: dict[str, set[str]] = {
    "missions": set(),
    "settings": set(),
    "workflows": {"missions"},
    "store": {"missions", "settings"},
    "fleet": {"store", "missions", "settings"},
    "outlets": {"store", "missions", "settings"},
    "engine": {"store", "missions", "settings", "workflows"},  # of workflows: ONLY_OF below
    "activities": {"fleet", "store", "missions", "settings"},
    "muster": {"activities", "missions", "settings"},
    "api": {"activities", "engine", "outlets", "store", "missions", "settings"},  # of outlets: ONLY_OF below
    "cli": {"settings", "api", "missions"},  # of api and missions: ONLY_OF below
}
# Of a unit that is else closed to it, a unit may import these modules.
ONLY_OF = {
    ("engine", "workflows"): {"workflows.search_attributes"},
    ("api", "outlets"): {"outlets.webhook_sender"},  # a test message is sent as all others are
    ("cli", "api"): {"api.imports", "api.problems", "api.token"},
    # Mission files are checked without any server.
    ("cli", "missions"): {f"missions.mission_files.{name}" for name in ("issues", "reader", "yaml_tree")},
}
# They put the parts together, so they may import anything, and nothing of the product imports them.
ROOTS = {"worker", "api.__main__"}
# Others' programs: they speak the protocol and know nothing of Muster.
CONSUMERS = ("alerting", "analytics", "dashboard", "retries")
STRANGERS = {
    "examples.agent",
    "examples.planner",
    "examples.instruments.sdk_ctd",
    *(f"examples.consumers.{name}" for name in CONSUMERS),
}

# Libraries that belong to some units only; each other use is listed below with its reason.
HOMES: dict[str, set[str]] = {
    "temporalio": {"workflows", "activities", "engine"},
    "sqlalchemy": {"store"},
    "asyncpg": {"store", "cli"},  # cli: asks the embedded server whether it is up
    "aio_pika": {"fleet", "outlets"},
    "httpx": {"activities", "fleet", "outlets", "cli"},  # fleet: the broker's management API
    "httpcore": {"outlets"},
    "fastapi": {"api"},
    "starlette": {"api"},
    "typer": {"cli"},
}
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("api.problems", "asyncpg"): "turns the driver's errors into 503 (server away, wrong login) or 500 (our mistake)",
    ("api.app", "temporalio"): "reads the namespace from Temporal's own variables, for links to its UI",
    ("muster.testing", "temporalio"): "runs a type in the engine's own test environment",
    ("muster.testing", "httpx"): "the StepContext that it makes holds a client, as the real one does",
}

Sources = Mapping[str, str]
"""Module name → source."""


def sources() -> dict[str, str]:
    folders = [*ARROWS, "examples"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "versions" not in path.parts]
    files += [ROOT / "settings.py", ROOT / "worker.py"]
    return {_module(path.relative_to(ROOT)): path.read_text() for path in files}


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: str, known: Sources) -> set[str]:
    """Every module that a module names in an import; `from package import module` gives both."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(known[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = ".".join(part for part in (_package(module, node.level, known), node.module) if part)
            found.add(source)
            found |= {name for alias in node.names if (name := f"{source}.{alias.name}") in known}
    return found


def _package(module: str, level: int, known: Sources) -> str:
    """The package that so many dots lead to."""
    if level == 0:
        return ""
    is_package = any(name.startswith(f"{module}.") for name in known)
    parts = module.split(".")
    return ".".join(parts[: len(parts) - level + is_package])


def reached(module: str, known: Sources) -> set[str]:
    """What importing a module loads in the end, itself and packages on the way included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        if name in known:
            waiting += imports(name, known)
    return seen


def unit(module: str) -> str:
    return module.partition(".")[0]


def wrong_arrows(known: Sources) -> Iterator[str]:
    """Imports of ours that no arrow allows."""
    for module in sorted(known):
        if module in ROOTS or unit(module) == "examples":
            continue
        for name in sorted(imports(module, known)):
            if unit(name) not in (*ARROWS, "worker", "examples", "benchmarks", "tests") or (
                unit(name) == unit(module) and name not in ROOTS
            ):
                continue
            only = ONLY_OF.get((unit(module), unit(name)))
            if unit(name) not in ARROWS[unit(module)] or name in ROOTS:
                yield f"{module} → {name}"
            elif only is not None and name not in only | {unit(name)}:
                yield f"{module} → {name} (of {unit(name)} only {', '.join(sorted(only))})"


def wrong_libraries(known: Sources) -> Iterator[str]:
    """Libraries imported outside their homes without a listed reason."""
    for module in sorted(known):
        if module in ROOTS or unit(module) == "examples":
            continue
        for library in sorted({unit(name) for name in imports(module, known)} & set(HOMES)):
            if unit(module) not in HOMES[library] and (module, library) not in EXCEPTIONS:
                yield f"{module} → {library}"


def test_imports_follow_the_arrows() -> None:
    assert list(wrong_arrows(sources())) == []


def test_libraries_stay_at_home() -> None:
    assert list(wrong_libraries(sources())) == []


def test_every_exception_is_still_needed() -> None:
    known = sources()
    stale = [key for key in EXCEPTIONS if key[0] not in known or key[1] not in map(unit, imports(key[0], known))]
    assert stale == []


def test_missions_load_nothing_but_pydantic_and_yaml() -> None:
    known = sources()
    for module in [name for name in known if unit(name) == "missions"]:
        foreign = {unit(name) for name in reached(module, known)} - set(sys.stdlib_module_names)
        assert foreign <= {"missions", "pydantic", "yaml"}, module


def test_workflows_load_nothing_but_missions_and_the_engine() -> None:
    known = sources()
    for module in [name for name in known if unit(name) == "workflows"]:
        foreign = {unit(name) for name in reached(module, known)} - set(sys.stdlib_module_names)
        assert foreign <= {"workflows", "missions", "temporalio", "pydantic"}, module


def test_nobody_imports_the_command_line() -> None:
    known = sources()
    users = {unit(m) for m in known if "cli" in map(unit, imports(m, known))} - {"cli"}
    assert users <= {"examples"}


@pytest.mark.parametrize("program", sorted(STRANGERS))
def test_programs_of_others_know_nothing_of_muster(program: str) -> None:
    known = sources()
    assert {unit(name) for name in reached(program, known)} & {*ARROWS, "worker", "benchmarks", "tests"} == set()


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"missions.a": "import store.tables"}, "missions.a → store.tables"),
        ({"missions.a": "from settings import Settings"}, "missions.a → settings"),
        ({"workflows.a": "def f():\n    from activities.registry import x"}, "workflows.a → activities.registry"),
        (
            {"engine.a": "from workflows import work_process", "workflows.work_process": ""},
            "engine.a → workflows.work_process (of workflows only workflows.search_attributes)",
        ),
        ({"store.a": "import cli.main"}, "store.a → cli.main"),
        ({"fleet.a": "import worker"}, "fleet.a → worker"),
        ({"api.a": "from api.__main__ import main"}, "api.a → api.__main__"),
        ({"fleet": "", "fleet.a": "from ..cli import x"}, "fleet.a → cli"),
        ({"activities.a": "from api.deps import Parts"}, "activities.a → api.deps"),
    ],
)
def test_wrong_arrow_is_caught(known: Sources, says: str) -> None:
    assert list(wrong_arrows(known)) == [says]


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"api.a": "import sqlalchemy.orm"}, "api.a → sqlalchemy"),
        ({"workflows.a": "if x:\n    from httpx import get"}, "workflows.a → httpx"),
        ({"missions.a": "import temporalio.common as c"}, "missions.a → temporalio"),
    ],
)
def test_library_abroad_is_caught(known: Sources, says: str) -> None:
    assert list(wrong_libraries(known)) == [says]


def test_library_behind_two_corners_is_found() -> None:
    known = {
        "workflows.a": "from missions import b",
        "missions": "from missions.c import D",
        "missions.b": "",
        "missions.c": "import httpx",
    }
    assert "httpx" in reached("workflows.a", known)


# --- what workflow code may not do ---------------------------------------------------------------------------------

NOT_DETERMINISTIC = {"time", "random", "uuid", "secrets", "os", "threading", "socket"}
# By the set's order, which differs from run to run (workflow.wait and workflow.as_completed keep it).
NOT_REPLAYABLE = {("asyncio", "wait"), ("asyncio", "as_completed"), ("asyncio", "TaskGroup")}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
ACTIVITY_CALLS = {
    f"{verb}_{kind}{suffix}"
    for verb in ("execute", "start")
    for kind in ("activity", "local_activity")
    for suffix in ("", "_method", "_class")
}
CALLERS = {"act", "_call_step"}


def wrong_in_workflow(source: str) -> Iterator[str]:
    """What would break replay, or call an activity without options and summary."""
    tree = ast.parse(source)
    yield from _wrong_names(tree)
    yield from _wrong_calls(tree, "the module")


def _wrong_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"imports {a.name}" for a in node.names if unit(a.name) in NOT_DETERMINISTIC)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if unit(node.module) in NOT_DETERMINISTIC:
                yield f"imports {node.module}"
            yield from (f"uses {node.module}.{a.name}" for a in node.names if (node.module, a.name) in NOT_REPLAYABLE)
        elif isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if (name, node.attr) in NOT_REPLAYABLE | CLOCKS:
                yield f"uses {name}.{node.attr}"


def _wrong_calls(node: ast.AST, function: str) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ACTIVITY_CALLS:
            given = {keyword.arg for keyword in node.keywords}
            if function not in CALLERS:
                yield f"{called} in {function}, not in {' or '.join(sorted(CALLERS))}"
            elif not {None, "summary"} <= given:  # None: **options
                yield f"{called} in {function} without options or summary"
    for child in ast.iter_child_nodes(node):
        yield from _wrong_calls(child, function)


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.py")), ids=lambda path: path.stem)
def test_workflow_code_can_be_replayed(path: Path) -> None:
    assert list(wrong_in_workflow(path.read_text())) == []


def test_vocabulary_that_workflows_load_reads_no_clock() -> None:
    known = sources()
    loaded = {name for module in known if unit(module) == "workflows" for name in reached(module, known)}
    used = {name: list(wrong_in_workflow(known[name])) for name in loaded if unit(name) == "missions"}
    assert {name: wrong for name, wrong in used.items() if wrong} == {}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import time", "imports time"),
        ("from random import choice", "imports random"),
        ("import uuid as u", "imports uuid"),
        ("import datetime\nx = datetime.datetime.now()", "uses datetime.now"),
        ("from datetime import datetime\nx = datetime.utcnow", "uses datetime.utcnow"),
        ("import asyncio\nasync def f():\n    async with asyncio.TaskGroup(): ...", "uses asyncio.TaskGroup"),
        ("from asyncio import TaskGroup", "uses asyncio.TaskGroup"),
        (
            "async def f():\n    await workflow.execute_activity('x')",
            "execute_activity in f, not in _call_step or act",
        ),
        ("async def act():\n    workflow.start_activity('x')", "start_activity in act without options or summary"),
        (
            "def act(o):\n    start_local_activity(**o)",
            "start_local_activity in act without options or summary",
        ),
    ],
)
def test_unreplayable_code_is_caught(source: str, says: str) -> None:
    assert list(wrong_in_workflow(source)) == [says]


def test_the_workflows_own_clock_is_fine() -> None:
    assert list(wrong_in_workflow("from temporalio import workflow\nx = workflow.time() + workflow.random()")) == []
