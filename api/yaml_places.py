"""YAML as plain JSON values, with the line and column of each: so that errors can say where."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from missions.nesting import MAX_DEPTH

Path = tuple[str | int, ...]

# Aliases repeat what they name: few lines may stand for billions of values.
_MAX_NODES = 100_000
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML without dates: JSON has none, and `2024-01-01` in a recipe's settings is meant as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YamlProblem(Exception):
    """The text is no YAML that can be read as JSON."""

    def __init__(self, detail: str, mark: Any = None) -> None:
        super().__init__(detail)
        self.place = _place(mark)


def _place(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


@dataclass
class Places:
    """A document, where each of its values stands, and the keys that are there twice."""

    document: Any = None
    marks: dict[Path, Any] = field(default_factory=dict)
    doubles: list[tuple[Path, YamlProblem]] = field(default_factory=list)

    def of(self, path: Path) -> str:
        """`line 3, column 5` of the value, or of the nearest one around it."""
        while path and path not in self.marks:
            path = path[:-1]
        return _place(self.marks.get(path))


def read_yaml(text: str) -> Places:
    """Read one document; raises YamlProblem."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlProblem(
            f"contains the character U+{error.character:04X}, which YAML does not allow",
            yaml.Mark("", error.position, text.count("\n", 0, error.position), _column(text, error.position), None, 0),
        ) from None
    try:
        node = loader.get_single_node()
        places = Places()
        if node is not None:
            places.document = _Reader(loader, places).value(node, ())
        return places
    except yaml.MarkedYAMLError as error:
        raise YamlProblem(error.problem or "is no YAML", error.problem_mark) from None
    except yaml.YAMLError as error:
        raise YamlProblem(str(error).split("\n")[0]) from None
    except RecursionError:
        raise YamlProblem("is nested too deep") from None
    finally:
        loader.dispose()


def _column(text: str, position: int) -> int:
    return position - text.rfind("\n", 0, position) - 1


class _Reader:
    def __init__(self, loader: _Loader, places: Places) -> None:
        self._loader = loader
        self._places = places
        self._marks = places.marks
        self._doubles: dict[yaml.MappingNode, list[yaml.Node]] = {}

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._marks[path] = node.start_mark
        if len(path) > MAX_DEPTH or len(self._marks) > _MAX_NODES:
            raise YamlProblem("holds too much, or is nested too deep", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return _shown_again(self._loader.construct_object(node))
        except (ValueError, OverflowError):  # such as a number of more digits than Python reads
            shown = node.value if len(node.value) <= 40 else f"{node.value[:40]}…"
            raise YamlProblem(f"{shown} is not a value that can be read", node.start_mark) from None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        if node not in self._doubles:  # an alias brings it here again, with what it merged
            self._doubles[node] = _doubles(node)
            self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, item in node.value:
            name = str(key.value)
            if key in self._doubles[node]:
                problem = YamlProblem(f"the key {name!r} is there twice", key.start_mark)
                self._places.doubles.append(((*path, name), problem))
                if len(path) != 1 or not isinstance(item, yaml.MappingNode):
                    continue
                name += " (again)"  # an entry with a name: what else is wrong with it is told as well
            found[name] = self.value(item, (*path, name))
        return found


def _shown_again(value: Any) -> Any:
    """The value, if it can be told back; a number to base 60 may be read and yet be too long. Raises ValueError."""
    if isinstance(value, int):
        str(value)
    return value


def _doubles(node: yaml.MappingNode) -> list[yaml.Node]:
    """The keys that stand before them already, as they are written: a key may stand for one that is merged."""
    seen: set[str] = set()
    doubles: list[yaml.Node] = []
    for key, _ in node.value:
        name = str(key.value)
        if name in seen and key.tag != _MERGE:
            doubles.append(key)
        seen.add(name)
    return doubles
