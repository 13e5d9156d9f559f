"""Dots go where an address has a parameter, in each of its methods and in one that it has not."""

from faults.bad_input.odd_http.dot_ids import dot_ids

DESCRIPTION = {
    "paths": {
        "/api/v1/agents": {"get": {}},
        "/api/v1/agents/{id}": {"get": {}, "patch": {}},
        "/api/v1/platforms/{platform}/missions/{missionId}": {"get": {}},
    }
}


def test_each_parameter_gets_the_dots_in_turn() -> None:
    names = [case.name for case in dot_ids("token", DESCRIPTION)]
    assert [name for name in names if ".." in name and "%" not in name] == [
        "GET /api/v1/agents/..",
        "PATCH /api/v1/agents/..",
        "TRACE /api/v1/agents/..",
        "GET /api/v1/platforms/../missions/m1",
        "TRACE /api/v1/platforms/../missions/m1",
        "GET /api/v1/platforms/STATION/missions/..",
        "TRACE /api/v1/platforms/STATION/missions/..",
    ]
    assert "GET /api/v1/agents/%2e%2e" in names
    assert "GET /api/v1/agents/." in names


def test_dots_go_over_the_wire_as_they_are() -> None:
    for case in dot_ids("token", DESCRIPTION):
        assert case.content.startswith(f"{case.name} HTTP/1.1\r\n".encode())
        assert case.statuses == {404, 405, 422}
