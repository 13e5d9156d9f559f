"""The order in which `workflows/` give the engine commands, read from their source: `python -m scripts.command_order`.

Runs on their way are replayed, so the order must not change under them. The stored histories show that for the ways
that they went; this shows it for all others. Per function: its activities, timers, children, signals, cancels, upserts
and patches, and its calls of functions that give commands, in the order of the source, below the `if`s, loops and
`try`s that they are in; comprehensions and generators are loops. Not: conditions, arguments, what only waits. Names of
locals, words and comments do not count. A `match` around commands is refused: its ways are not told apart here.

It reads the source, so it does not see which of two functions of the same name is called (`a.go()` or `b.go()`), nor a
function that is handed on to be called elsewhere (`map(act, names)`). A lambda, a generator and a coroutine are read
where they are written, though they may run later.

Called, it writes the baseline (tests/workflows/command_order.txt); from version 0.1 on only if runs of the baseline's
code can go on by the new one: every change stands below a new `if workflow.patched("…"):`.
"""

# ruff: noqa: T201 -- it is a command

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / "workflows"
BASELINE = ROOT / "tests" / "workflows" / "command_order.txt"

Node = tuple[str, "tuple[Node, ...]"]
"""A line, and what is below it."""
Tree = tuple[Node, ...]
Trees = dict[str, Tree]
"""By function: `Class.method`, or the function's name."""

_MATCH = "match"
_BLOCKS = ("if", "else", "loop", "try", "except", "finally", _MATCH)
_OF_ENGINE = {
    "execute_activity": "activity",
    "start_activity": "activity",
    "execute_local_activity": "local activity",
    "start_local_activity": "local activity",
    "execute_child_workflow": "child",
    "start_child_workflow": "child",
    "sleep": "timer",
    "signal": "signal",
    "cancel": "cancel",
    "continue_as_new": "continue as new",
    "upsert_search_attributes": "upsert",
    "upsert_memo": "upsert memo",
    "deprecate_patch": "deprecate patch",
    "patched": "patch",
}
# They wait: a command only with a time-out.
_WAITS = ("wait_condition", "until", "wait", "wait_for", "timeout")
_IF_PATCHED = re.compile(r'if patched "(.*)"$')
_DEPRECATED = re.compile(r'deprecate patch "(.*)"$')


class Unreadable(Exception):
    """Code whose order of commands cannot be told."""


def of_folder(folder: Path = WORKFLOWS) -> Trees:
    """What the files of a folder say."""
    return of_sources([path.read_text() for path in sorted(folder.glob("*.py"))])


def of_sources(sources: list[str]) -> Trees:
    """What these files say together; raises Unreadable for a `match` around commands."""
    functions = [pair for source in sources for pair in _functions(ast.parse(source))]
    known = {_short(name) for name, _ in functions}
    trees: Trees = {}
    for name, function in functions:
        trees[name] = trees.get(name, ()) + _Reader(known).block(function.body)
    trees = pruned(trees)
    matching = [name for name, tree in trees.items() if _holds(_MATCH, tree)]
    if matching:
        raise Unreadable(f"{', '.join(matching)}: commands below a `match`; write it with `if` and `elif`")
    return trees


def _holds(label: str, tree: Tree) -> bool:
    return any(one == label or _holds(label, below) for one, below in tree)


def _functions(parent: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield from _functions(node, prefix)


class _Reader:
    """Reads one function: in the order in which Python runs it."""

    def __init__(self, known: set[str]) -> None:
        self._known = known

    def block(self, statements: list[ast.stmt]) -> Tree:
        return tuple(node for statement in statements for node in self._of(statement))

    def _of(self, node: ast.AST | None) -> Iterator[Node]:
        match node:
            case None | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return  # functions inside are read by themselves
            case ast.If():
                yield from self._if(node)
            case ast.IfExp():
                yield from self._of(node.test)
                yield "if", tuple(self._of(node.body))
                yield "else", tuple(self._of(node.orelse))
            case ast.While():
                yield "loop", (*self._of(node.test), *self.block(node.body))
                yield from self.block(node.orelse)
            case ast.For() | ast.AsyncFor():
                yield from self._of(node.iter)
                yield "loop", self.block(node.body)
                yield from self.block(node.orelse)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                yield from self._comprehension(node.generators, node.elt)
            case ast.DictComp():
                yield from self._comprehension(node.generators, node.key, node.value)
            case ast.Match():
                yield from self._of(node.subject)
                ways = ((*self._of(case.guard), *self.block(case.body)) for case in node.cases)
                yield _MATCH, tuple(node for way in ways for node in way)
            case ast.Try():
                yield "try", self.block(node.body)
                for handler in node.handlers:
                    yield "except", self.block(handler.body)
                yield "else", self.block(node.orelse)
                yield "finally", self.block(node.finalbody)
            case ast.Call():
                for child in (node.func, *node.args, *node.keywords):
                    yield from self._of(child)
                yield from self._call(node)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self._of(child)

    def _if(self, node: ast.If) -> Iterator[Node]:
        body, orelse = self.block(node.body), self.block(node.orelse)
        test = node.test
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and _is_patched(test.operand):
            body, orelse, test = orelse, body, test.operand
        if _is_patched(test):
            assert isinstance(test, ast.Call)
            yield f"if patched {_words(test.args)}", body
        else:
            yield from self._of(test)
            yield "if", body
        yield "else", orelse

    def _comprehension(self, loops: list[ast.comprehension], *each: ast.expr) -> Iterator[Node]:
        loop, *inner = loops
        yield from self._of(loop.iter)
        below = self._comprehension(inner, *each) if inner else (node for one in each for node in self._of(one))
        yield "loop", (*(node for condition in loop.ifs for node in self._of(condition)), *below)

    def _call(self, node: ast.Call) -> Iterator[Node]:
        name = _name(node.func)
        if name in _WAITS:
            limit = next((one.value for one in node.keywords if one.arg == "timeout"), None)
            if limit is not None or name in ("wait_for", "timeout"):
                yield "timer", ()
        elif name in _OF_ENGINE and not (name == "signal" and not node.args):
            yield f"{_OF_ENGINE[name]} {_words(node.args)}".strip(), ()
        elif name in self._known:
            yield f"{name} {_constant(node.args)}".strip(), ()


def _is_patched(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "patched"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _words(arguments: list[ast.expr]) -> str:
    """What the command is of: its first argument's text, or the constant that this names."""
    match arguments:
        case [ast.Constant(value=str(text)), *_]:
            return f'"{text}"'
    return _constant(arguments)


def _constant(arguments: list[ast.expr]) -> str:
    name = _name(arguments[0]) if arguments else ""
    return name if name.isupper() else ""


def _called(label: str) -> str:
    return label.partition(" ")[0]


def _short(name: str) -> str:
    """As it is called: without its class; what makes an object is called by the class's name."""
    return name.removesuffix(".__init__").rpartition(".")[2]


def pruned(trees: Trees) -> Trees:
    """Without functions, and calls of functions, that give no commands."""
    giving: set[str] = set()
    while True:
        left = {name: _pruned(tree, giving) for name, tree in trees.items()}
        left = {name: tree for name, tree in left.items() if tree}
        if giving == {_short(name) for name in left}:
            return left
        giving = {_short(name) for name in left}


def _pruned(tree: Tree, giving: set[str]) -> Tree:
    found: list[Node] = []
    for label, below in tree:
        kept = _pruned(below, giving)
        if kept if label in _BLOCKS else _is_command(label) or _called(label) in giving:
            found.append((label, kept))
    return tuple(found)


def _is_command(label: str) -> bool:
    return _called(label) in _FIRST_WORDS or _IF_PATCHED.match(label) is not None


_FIRST_WORDS = {"timer", *(_called(words) for words in _OF_ENGINE.values())}


# --- What may change ------------------------------------------------------------------------------------------------


def complaints(before: Trees, now: Trees, *, released: bool) -> str:
    """What has changed, and what to do; empty: nothing that matters."""
    if not released:
        words = "The order of the workflows' commands has changed. Nothing is released yet, so: `make histories`."
        return "" if before == now else f"{_difference(before, now)}\n\n{words}"
    before, now = as_old_runs_go(before, now)
    words = (
        "Runs of the released version would not go on: the order of the workflows' commands has changed. Put the change"
        ' below `if workflow.patched("what-it-does"):`, as the whole condition, with the way it was in its `else`; keep'
        " the stored histories, and add new ones (docs/contributing.md)."
    )
    return "" if before == now else f"{_difference(before, now)}\n\n{words}"


def as_old_runs_go(before: Trees, now: Trees) -> tuple[Trees, Trees]:
    """Both without patches that are new, or were taken back; and without functions that only one of them has."""
    known, deprecated = _ids(_IF_PATCHED, before), _ids(_DEPRECATED, now)
    before = _go(before, known & deprecated, taken=True)
    now = _go(now, _ids(_IF_PATCHED, now) - known, taken=False)
    before, now = pruned(before), pruned(now)
    return pruned(_inlined(before, before.keys() - now.keys(), now)), pruned(
        _inlined(now, now.keys() - before.keys(), before)
    )


def _ids(patch: re.Pattern[str], trees: Trees) -> set[str]:
    return {match[1] for line in written(trees).splitlines() if (match := patch.match(line.strip()))}


def _go(trees: Trees, ids: set[str], *, taken: bool) -> Trees:
    """The way through these patches; those that are deprecated go every way."""

    def way(tree: Tree) -> Iterator[Node]:
        passed = False
        for label, below in tree:
            was, passed = passed, False
            if (match := _IF_PATCHED.match(label)) and match[1] in ids:
                yield from way(below) if taken else ()
                passed = True
            elif was and label == "else":
                yield from () if taken else way(below)
            elif not _DEPRECATED.match(label):
                yield label, tuple(way(below))

    return {name: tuple(way(tree)) for name, tree in trees.items()}


def _inlined(trees: Trees, names: set[str], others: Mapping[str, Tree]) -> Trees:
    """Functions that only these trees have, where they are called: so a function may get another name, or be split."""
    others_too = {_short(name) for name in (trees.keys() | others.keys()) - names}
    bodies = {_short(name): trees[name] for name in names if _short(name) not in others_too}

    def inline(tree: Tree, inside: frozenset[str] = frozenset()) -> Iterator[Node]:
        for label, below in tree:
            called = _called(label)
            if called in bodies and called not in inside:
                yield from inline(bodies[called], inside | {called})
            else:
                yield label, tuple(inline(below, inside))

    return {name: tuple(inline(tree)) for name, tree in trees.items() if _short(name) not in bodies}


def _difference(before: Trees, now: Trees) -> str:
    lines = unified_diff(written(before).splitlines(), written(now).splitlines(), "before", "now", n=6, lineterm="")
    return "\n".join(lines)


def is_released(version: str) -> bool:
    """Whether 0.1.0 is out: from then on there are runs of others."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)(.*)$", version)
    assert found is not None, version
    return (int(found[1]), int(found[2]), int(found[3]), not found[4]) >= (0, 1, 0, True)


# --- The baseline ---------------------------------------------------------------------------------------------------


def written(trees: Trees) -> str:
    """As the baseline says it."""

    def lines(tree: Tree, indent: str) -> Iterator[str]:
        for label, below in tree:
            yield indent + label
            yield from lines(below, indent + "    ")

    return "".join(f"{name}\n" + "".join(f"{line}\n" for line in lines(trees[name], "    ")) for name in sorted(trees))


def read(text: str) -> Trees:
    """What `written` wrote."""
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines() if line.strip()]

    def below(place: int, indent: int) -> tuple[Tree, int]:
        found: list[Node] = []
        while place < len(lines) and lines[place][0] == indent:
            label = lines[place][1]
            children, place = below(place + 1, indent + 4)
            found.append((label, children))
        return tuple(found), place

    return dict(below(0, 0)[0])


def main() -> None:
    """Write the baseline, if that may be."""
    sys.path.insert(0, str(ROOT))
    from muster import __version__

    now = of_folder()
    if is_released(__version__):
        wrong = complaints(read(BASELINE.read_text()), now, released=True)
        if wrong:
            sys.exit(wrong)
    BASELINE.write_text(written(now))
    print(f"{BASELINE.relative_to(ROOT)}: {len(now)} functions give commands")


if __name__ == "__main__":
    main()
