"""Reads YAML as a tree whose every value knows its place; safe with any bytes.

Built from the parser's events, so that size, depth and aliases are bounded while they are read.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from missions.mission_files.issues import Issues, Place

MAX_BYTES = 1_000_000
_MAX_DEPTH = 40
# Aliases repeat what they name: few lines may stand for billions of values.
_MAX_NODES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_PRINTABLE = yaml.reader.Reader.NON_PRINTABLE
# What an escape may stand for, and no database holds.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_RESOLVER: Any = yaml.resolver.Resolver()
_YAML = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_YAML + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge")}


@dataclass(eq=False)
class Node:
    """A value. Line and column from 1."""

    line: int
    column: int
    size: int = 1  # with all that is below, aliases too


@dataclass(eq=False)
class Scalar(Node):
    """A text as the file has it, and what YAML takes it for: `str`, `int`, `float`, `bool`, `null`, `timestamp`.

    `offset`: from its column to its first character, if each character of it is one of the line; else None.
    """

    value: str = ""
    kind: str = "str"
    quoted: bool = False
    offset: int | None = None


@dataclass(eq=False)
class Items(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Mapping(Node):
    """Keys and their values, each key once."""

    pairs: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


class _Stop(Exception):
    """Nothing after it can be read."""


def lines_of(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _LINE_END.split(text)


def read_tree(content: str | bytes, issues: Issues) -> Node | None:
    """The document's tree; None where there is nothing to read, with its issue."""
    try:
        return _Tree(_decoded(content, issues), issues).read()
    except _Stop:
        return None


def _decoded(content: str | bytes, issues: Issues) -> str:
    if len(content) > MAX_BYTES:
        words = f"the file is larger than {MAX_BYTES:,} bytes"
        issues.error(Place(1, 1, "", ""), words, "split it into several missions")
        raise _Stop
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        before = lines_of(error.object[: error.start].decode(errors="replace"))
        place = Place(len(before), len(before[-1]) + 1, "", "")
        issues.error(place, f"the file is no UTF-8 text: {error.reason}", "save it as UTF-8")
        raise _Stop from None
    text = text.removeprefix("\ufeff")
    if found := _NOT_PRINTABLE.search(text):
        before = lines_of(text[: found.start()])
        name = f"U+{ord(found[0]):04X}"
        place = Place(len(before), len(before[-1]) + 1, "", name)
        issues.error(place, f"the character {name} may not stand in YAML", "remove it")
        raise _Stop
    return text


@dataclass
class _Open:
    """A list or mapping that is being read."""

    node: Items | Mapping
    anchor: str | None
    key: Scalar | None = None
    merged: list[Node] = field(default_factory=list)


class _Tree:
    def __init__(self, text: str, issues: Issues) -> None:
        self._text = text
        self._lines = lines_of(text)
        self._issues = issues
        self._anchors: dict[str, Node | None] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0

    def read(self) -> Node | None:
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            place = self._place_of(error.problem_mark)
            self._issues.error(place, f"this is no YAML: {error.problem}", _remedy(str(error.problem)))
            raise _Stop from None
        except yaml.YAMLError as error:
            words = str(error).split("\n", 1)[0]
            self._issues.error(Place(1, 1, "", ""), f"this is no YAML: {words}", "correct it")
            raise _Stop from None
        return self._root

    def _place(self, line: int, column: int, text: str = "") -> Place:
        """Within the file, though the parser may be at its end."""
        line = min(line, len(self._lines))
        return Place(line, min(column, len(self._lines[line - 1]) + 1), "", text)

    def _place_of(self, mark: Any) -> Place:
        return self._place(1, 1) if mark is None else self._place(mark.line + 1, mark.column + 1)

    def _start(self, event: Any) -> tuple[int, int]:
        place = self._place_of(event.start_mark)
        return place.line, place.column

    def _stop(self, node: Node, message: str, remedy: str) -> _Stop:
        self._issues.error(self._place(node.line, node.column), message, remedy)
        return _Stop()

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                node = Node(*self._start(event))
                raise self._stop(node, "a second document begins here", "write one mission in one file")
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event), None)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()

    def _scalar(self, event: Any) -> Scalar:
        line, column = self._start(event)
        value: str = event.value
        tag = event.tag
        if found := _UNSTORABLE.search(value):
            name = f"U+{ord(found[0]):04X}"
            self._issues.error(self._place(line, column, name), f"the character {name} may not be said", "remove it")
            value = _UNSTORABLE.sub("\ufffd", value)
        if tag is None or tag == "!":
            tag = _RESOLVER.resolve(yaml.ScalarNode, value, event.implicit)
        elif tag not in _SCALAR_TAGS:
            place = self._place(line, column, tag)
            self._issues.error(place, f"the tag `{tag.removeprefix(_YAML)}` is not known here", "remove it")
            tag = _YAML + "str"
        quoted = bool(event.style)
        # A merge is a key's meaning, `=` nobody's.
        kind = tag.removeprefix(_YAML) if tag in _SCALAR_TAGS else "str"
        return Scalar(line, column, value=value, kind=kind, quoted=quoted, offset=self._offset(event))

    def _offset(self, event: Any) -> int | None:
        start, end = event.start_mark, event.end_mark
        if start.line != end.line or start.line >= len(self._lines):
            return None
        written = self._lines[start.line][start.column : end.column]
        return written.index(event.value) if written in (event.value, f'"{event.value}"', f"'{event.value}'") else None

    def _alias(self, event: Any) -> Node:
        here = Node(*self._start(event))
        if event.anchor not in self._anchors:
            raise self._stop(
                here, f"`*{event.anchor}` is not known", f"write `&{event.anchor}` where it is meant to be"
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise self._stop(here, f"`*{event.anchor}` stands within itself", "write it out")
        return node

    def _begin(self, event: Any) -> None:
        line, column = self._start(event)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        node: Items | Mapping = Items(line, column) if is_list else Mapping(line, column)
        tag = event.tag
        if tag not in (None, "!", _YAML + ("seq" if is_list else "map")):
            place = self._place(line, column, tag)
            self._issues.error(place, f"the tag `{tag.removeprefix(_YAML)}` is not known here", "remove it")
        if len(self._open) >= _MAX_DEPTH:
            raise self._stop(node, "the file is nested too deep", "use the levels of the format only")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor))

    def _end(self) -> None:
        ended = self._open.pop()
        if isinstance(ended.node, Mapping):
            for merged in ended.merged:
                for name, pair in merged.pairs.items() if isinstance(merged, Mapping) else ():
                    ended.node.pairs.setdefault(name, pair)
        self._add(ended.node, ended.anchor)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._nodes += 1
        if max(self._nodes, node.size) > _MAX_NODES:
            raise self._stop(node, "the file holds too much", "split it into several missions")
        if not self._open:
            self._root = node
            return
        around = self._open[-1]
        around.node.size += node.size
        if around.node.size > _MAX_NODES:
            raise self._stop(node, "the file holds too much", "split it into several missions")
        if isinstance(around.node, Items):
            around.node.items.append(node)
        elif around.key is not None:
            self._add_pair(around, around.node, around.key, node)
            around.key = None
        elif isinstance(node, Scalar):
            around.key = node
        else:
            raise self._stop(node, "a list or mapping cannot be a key", "write one of the format's keys")

    def _add_pair(self, around: _Open, mapping: Mapping, key: Scalar, node: Node) -> None:
        if key.kind == "merge":
            around.merged += node.items if isinstance(node, Items) else [node]
        elif key.value in mapping.pairs:
            place = self._place(key.line, key.column, key.value)
            first = mapping.pairs[key.value][0].line
            message = f"the key `{key.value[:60]}` is there twice, first in line {first}"
            self._issues.error(place, message, "remove one of them")
        else:
            mapping.pairs[key.value] = (key, node)


def _remedy(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "quote the whole value if it holds `: `, or correct the indentation"
    if "cannot start any token" in problem or "tab" in problem:
        return "indent with spaces, and quote a value that begins with a sign of YAML's"
    return "correct it; a value with signs of YAML's (`{ } [ ] , : # & *`) may need quotes"
