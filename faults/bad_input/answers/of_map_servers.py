"""Answers of map servers: what would change the map of a yard."""

from typing import Any

from faults.bad_input.answers.expected import End, fine, refused
from faults.bad_input.answers.kinds import value_kind

# --- map servers


def _map_value(name: str, value: Any, *ends: End) -> None:
    value_kind(f"a map: {name}", lambda _: {"status": "ready", "results": value}, *ends, recipe="odd-map")


for name, odd_map, place in (
    ("a number", 5, "results"),
    ("a list of numbers", [5], "results[0]"),
    ("zero", 0, "results"),
    ("update a text", [{"update": "x"}], "update"),
    ("an origin that is a list", [{"update": {"origin": []}}], "origin"),
    ("too far north", [{"update": {"origin": {"lat": 91}}}], "lat"),
    ("a longitude in words", [{"update": {"origin": {"lon": "x" * 70_000}}}], "lon"),
    ("an altitude of 400 digits", [{"update": {"origin": {"alt": 10**400}}}], "alt"),
    ("objects that are a number", [{"update": {"map_objects": 5}}], "map_objects"),
    ("objects that are texts", [{"update": {"map_objects": ["x"]}}], "map_objects[0]"),
    ("an object whose name is a list", [{"update": {"map_objects": [{"name": []}]}}], "map_objects[0].name"),
    ("an object whose type is a number", [{"create": {"map_objects": [{"type": 5}]}}], "map_objects[0].type"),
    ("create a list", [{"create": []}], "create"),
    ("objects to create that are null", [{"create": {"map_objects": None}}], "map_objects"),
):
    _map_value(name, odd_map, refused(place))
_map_value("NUL in a name", [{"create": {"map_objects": [{"name": "a\0"}]}}], refused("NUL"))
_map_value("half a surrogate pair", [{"update": {"map_data": "\ud800"}}], refused("surrogate"))
_map_value("an altitude of 1e308", [{"update": {"origin": {"alt": 1e308}}}], fine())
_map_value("data of any kind", [{"update": {"map_data": [None, "x", 10**300]}}], fine())
_map_value("2,000 objects", [{"update": {"map_objects": [{"name": "x", "data": {"x": 1}}] * 2000}}], fine())
_map_value("nothing", [], fine())
_map_value("an object of others", [{"odd": 1}], fine())
