"""What a map server may answer, and what it may not."""

from typing import Any

import pytest

from missions.errors import PlanningFailed
from missions.map_answers import MapChange, read_map_change

WHERE = {"step": "map", "url": "http://maps/"}
WALL = {"type": "wall", "name": "W", "data": {"x": 1}, "data_format": "trucktrix", "metadata": None}
EMPTY = dict.fromkeys(WALL)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"results": []}, None),
        ({"status": "ready"}, None),
        ({"results": [{}]}, None),
        ({"results": [{"agent_id": 1, "assignment": {}}]}, None),
        ({"results": [{"update": {"map_objects": [WALL]}}]}, MapChange({}, [WALL], True)),
        ({"results": {"update": {"map_objects": []}}}, MapChange({}, [], True)),
        ({"result": {"update": {"map_objects": [{"id": 7, "yard_id": 1}]}}}, MapChange({}, [EMPTY], True)),
        ({"result": [{"create": {"map_objects": [WALL]}}]}, MapChange({}, [WALL], False)),
        ({"results": [{"update": {"map_objects": None}}]}, None),
        (
            {"results": [{"update": {"origin": {"lat": 51, "long": 13.5}}}]},
            MapChange({"lat": 51, "lon": 13.5}, [], False),
        ),
        ({"results": [{"update": {"origin": {"lon": 13, "alt": 2}}}]}, MapChange({"lon": 13, "alt": 2}, [], False)),
        ({"results": [{"update": {"map_data": {"a": 1}}}]}, MapChange({"map_data": {"a": 1}}, [], False)),
        (
            {"results": [{"update": {"map_objects": [WALL]}, "create": {"map_objects": [EMPTY]}}, "ignored"]},
            MapChange({}, [WALL, EMPTY], True),
        ),
    ],
)
def test_first_result_says_what_changes(body: dict[str, Any], change: MapChange | None) -> None:
    assert read_map_change(body, **WHERE) == change


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"results": ["x"]}, "results[0] = 'x'"),
        ({"result": 3}, "result = 3"),
        ({"results": [{"update": []}]}, "results[0].update = []"),
        ({"results": [{"update": {"map_objects": {}}}]}, "results[0].update.map_objects = {}"),
        ({"results": [{"update": {"map_objects": [{}, 1]}}]}, "results[0].update.map_objects[1] = 1"),
        ({"results": [{"update": {"map_objects": [{"type": 1}]}}]}, "results[0].update.map_objects[0].type = 1"),
        ({"results": [{"create": {"map_objects": None}}]}, "results[0].create.map_objects = None"),
        ({"results": [{"update": {"origin": {"lat": "51"}}}]}, "results[0].update.origin.lat = '51'"),
        ({"results": [{"update": {"origin": {"lat": 91}}}]}, "results[0].update.origin.lat = 91"),
        ({"results": [{"update": {"origin": {"long": 181}}}]}, "results[0].update.origin.long = 181"),
    ],
)
def test_wrong_shape_fails_naming_step_url_and_place(body: dict[str, Any], place: str) -> None:
    with pytest.raises(PlanningFailed) as caught:
        read_map_change(body, **WHERE)
    failure = caught.value.failure
    assert (failure.step, failure.url) == ("map", "http://maps/")
    assert f"step 'map': the service at http://maps/ answered {place}:" in failure.text
