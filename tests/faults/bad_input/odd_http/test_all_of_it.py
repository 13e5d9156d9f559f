"""The odd HTTP that is thrown at the API: the same each time, and each told from the others."""

from faults.bad_input.odd_http.all_of_it import cases


def test_cases_are_the_same_each_time() -> None:
    assert list(cases("token")) == list(cases("token"))


def test_each_part_has_its_cases() -> None:
    names = " | ".join(case.name for case in cases("token"))
    for one in ("with an alias bomb", "GET //", "BREW ", "stream?after=-1", "header Range", "frame 2 TB", "HTTP/9.9"):
        assert one in names
