"""Typed readings of a mission file's values; each wrong one is an issue with its place, and None."""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml

from missions.mission_files.issues import Issues, Place, nearest, one_of, shortened
from missions.mission_files.yaml_tree import Items, Mapping, Node, Scalar

_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_WHOLE = re.compile(r"\s*[-+]?\d{1,18}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?\s*", re.ASCII)
_MOST = 2**31 - 1


@dataclass(frozen=True)
class Value:
    """A value and its path."""

    node: Node
    path: str

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.node.line, self.node.column, self.path, self.text)

    @property
    def text(self) -> str:
        """As it is written, trimmed; empty for a list or mapping."""
        return self.node.value.strip() if isinstance(self.node, Scalar) else ""

    @property
    def is_empty(self) -> bool:
        """Nothing is written there."""
        return isinstance(self.node, Scalar) and (self.node.kind == "null" or not self.text)

    def items(self) -> "Iterator[Value]":
        """Those of a list."""
        assert isinstance(self.node, Items)
        for index, node in enumerate(self.node.items):
            yield Value(node, f"{self.path}[{index}]")


class Fields:
    """The keys of one mapping; those that the format does not know are errors."""

    def __init__(self, value: Value, known: Collection[str], issues: Issues) -> None:
        assert isinstance(value.node, Mapping)
        self.value = value
        self._node = value.node
        for name, (key, _) in self._node.pairs.items():
            if issues.full:
                break
            if name not in known:
                place = Place(key.line, key.column, self._path(shortened(name)), name)
                meant = nearest(name, known)
                remedy = f"write `{meant}`" if meant else f"remove it; known here: {', '.join(known)}"
                issues.error(place, f"the key `{shortened(name)}` is not known here", remedy)

    def _path(self, name: str) -> str:
        return f"{self.value.path}.{name}" if self.value.path else name

    def get(self, name: str) -> Value | None:
        """What is written for a key, be it nothing."""
        return Value(self._node.pairs[name][1], self._path(name)) if name in self._node.pairs else None

    def filled(self, name: str) -> Value | None:
        """What is written for a key, if it is something."""
        value = self.get(name)
        return None if value is None or value.is_empty else value

    def place(self, name: str) -> Place:
        """Where the key stands, or should stand: at the beginning of the mapping."""
        if name in self._node.pairs:
            key = self._node.pairs[name][0]
            return Place(key.line, key.column, self._path(name), name)
        return Place(self._node.line, self._node.column, self._path(name), "")


def fields(value: Value, known: Collection[str], issues: Issues, remedy: str) -> Fields | None:
    """The keys of a mapping."""
    if isinstance(value.node, Mapping):
        return Fields(value, known, issues)
    issues.error(value.place, f"there are no keys here: {_shown(value)}", remedy)
    return None


def listed(value: Value, issues: Issues, remedy: str) -> list[Value]:
    """The items of a list."""
    if isinstance(value.node, Items):
        return list(value.items())
    issues.error(value.place, f"there is no list here: {_shown(value)}", remedy)
    return []


def text(value: Value, issues: Issues) -> str | None:
    """One line or more of text; numbers as they are written."""
    if isinstance(value.node, Scalar):
        return value.text
    issues.error(value.place, f"{_shown(value)} stands where one text should", "write one text")
    return None


def word(value: Value, known: Collection[str], what: str, issues: Issues) -> str | None:
    """One of a few words. `what`: what it is none of, `is no unit of time`."""
    found = text(value, issues)
    if found is None or found in known:
        return found
    issues.error(value.place, f"`{shortened(found)}` {what}", one_of(found, known))
    return None


def whole(value: Value, issues: Issues) -> int | None:
    """A whole number, as number or as text; what is behind the point is cut, as the original does it."""
    found = number(value, issues)
    if found is None:
        return None
    if abs(found) > _MOST:
        issues.error(value.place, f"`{shortened(value.text)}` is too large", f"write a number up to {_MOST}")
        return None
    if found != int(found):
        issues.warning(value.place, f"`{value.text}` is taken as {int(found)}", "write a whole number")
    return int(found)


def number(value: Value, issues: Issues) -> int | float | None:
    """A finite number, as number or as text."""
    found = _number(value.node) if isinstance(value.node, Scalar) else None
    if found is None:
        issues.error(value.place, f"{_shown(value)} is no number", "write a number")
    return found


def _number(node: Scalar) -> int | float | None:
    try:
        if node.kind == "int":
            return int(_CONSTRUCTOR.construct_yaml_int(_bare(node)))
        if node.kind == "float":
            made = float(_CONSTRUCTOR.construct_yaml_float(_bare(node)))
            return made if math.isfinite(made) else None
        if _WHOLE.fullmatch(node.value):
            return int(node.value)
        made = float(node.value) if _NUMBER.fullmatch(node.value) else math.inf
        return made if math.isfinite(made) else None
    except (ValueError, OverflowError):  # such as a number of more digits than Python reads
        return None


def moment(value: Value, issues: Issues) -> datetime | None:
    """A YAML timestamp or date, without fractions of a second; aware if it has an offset."""
    remedy = "write it as 2026-01-31T13:00:00, without quotes"
    node = value.node
    if not isinstance(node, Scalar) or node.kind != "timestamp":
        issues.error(value.place, f"{_shown(value)} is no time", remedy)
        return None
    try:
        made = _CONSTRUCTOR.construct_yaml_timestamp(_bare(node))
        found = made if isinstance(made, datetime) else datetime(made.year, made.month, made.day)
        if found.tzinfo is not None:
            found = found.astimezone(UTC)
    except (ValueError, OverflowError, AttributeError, TypeError):
        issues.error(value.place, f"`{shortened(value.text)}` is no time that there is", remedy)
        return None
    if not 1900 <= found.year < 3000:
        issues.error(value.place, f"the year {found.year} is out of range", "write a year from 1900 to 2999")
        return None
    return found.replace(microsecond=0)


def _bare(node: Scalar) -> yaml.ScalarNode:
    return yaml.ScalarNode(f"tag:yaml.org,2002:{node.kind}", node.value.strip())


def _shown(value: Value) -> str:
    if value.is_empty:
        return "nothing"
    if isinstance(value.node, Scalar):
        quoted = " (a text, as it is in quotes)" if value.node.quoted else ""
        return f"`{shortened(value.text)}`{quoted}"
    return "a list" if isinstance(value.node, Items) else "a mapping"
