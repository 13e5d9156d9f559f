"""How deep JSON may be."""

import json

import pytest

from missions.nesting import MAX_DEPTH, too_deep


@pytest.mark.parametrize("value", [None, 5, "text", [], {}, [1, {"a": [2]}], [[]] * 1000])
def test_flat_values(value: object) -> None:
    assert not too_deep(value)


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_levels_are_counted_in_lists_and_objects(begin: str, end: str) -> None:
    def nested(levels: int) -> object:
        return json.loads(begin * levels + "[]" + end * levels)

    assert not too_deep(nested(MAX_DEPTH))
    assert too_deep(nested(MAX_DEPTH + 2))
