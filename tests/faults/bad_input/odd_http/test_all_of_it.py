"""The odd HTTP that is thrown at the API: the same each time, and each told from the others."""

from faults.bad_input.odd_http.all_of_it import cases

DESCRIPTION = {"paths": {"/api/v1/agents/{id}": {"get": {}}}}
PARTS = (
    "with an alias bomb",
    "GET //",
    "GET /api/v1/agents/..",
    "BREW ",
    "stream?after=-1",
    "header Range",
    "frame 2 TB",
    "HTTP/9.9",
)


def test_cases_are_the_same_each_time() -> None:
    assert list(cases("token", DESCRIPTION)) == list(cases("token", DESCRIPTION))


def test_each_part_has_its_cases() -> None:
    names = " | ".join(case.name for case in cases("token", DESCRIPTION))
    assert [part for part in PARTS if part not in names] == []
