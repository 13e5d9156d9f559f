"""The answers that are thrown at Muster: repeatable, of all kinds, and read back by a client as they are meant."""

import json

import httpx
import pytest

from faults.bad_input.answers.cases import cases
from faults.bad_input.answers.kinds import KINDS, Case, Facts
from faults.bad_input.answers.odd_planner import OddPlanner

FACTS = Facts(((1, "one"), (2, "two")), (3, "bystander"), (4, "held"))


def test_same_seed_makes_the_same_answers() -> None:
    assert list(cases(7, 500, FACTS)) == list(cases(7, 500, FACTS))


def test_other_seed_makes_other_answers() -> None:
    assert list(cases(7, 500, FACTS)) != list(cases(8, 500, FACTS))


def test_each_kind_occurs() -> None:
    assert {case.kind for case in cases(7, len(KINDS), FACTS)} == set(KINDS)


def test_each_case_says_how_it_may_end() -> None:
    for case in cases(7, len(KINDS), FACTS):
        for end in case.spoiled.ends:
            assert end.status == "succeeded" or (end.code and end.words), case.kind


def _of(kind: str) -> Case:
    return next(case for case in cases(7, len(KINDS), FACTS) if case.kind == kind)


def test_planner_gives_a_case_its_answers_in_turn() -> None:
    case = _of("pending, then HTTP 404")
    with OddPlanner() as planner, httpx.Client(trust_env=False) as client:
        planner.answers = {case.number: case.spoiled.answers}
        url = f"http://127.0.0.1:{planner.port}/odd/"
        posted = client.post(url, json={"request": {"case": case.number}}, headers={"Idempotency-Key": "k"})
        polled = client.get(url + posted.json()["request_id"])
        assert (posted.status_code, polled.status_code) == (200, 404)
        assert planner.asked[case.number] == 2
        assert planner.keys == {case.number: {b"k"}}
        assert planner.wrong == []


def test_planner_notes_a_cookie_that_comes_back() -> None:
    case = _of("cookies")
    with OddPlanner() as planner, httpx.Client(trust_env=False) as client:
        planner.answers = {case.number: case.spoiled.answers}
        for _ in range(2):
            client.post(f"http://127.0.0.1:{planner.port}/odd/", json={"request": {"case": case.number}})
        assert len(planner.wrong) == 1


@pytest.mark.parametrize("kind", ["reset at once", "half a body", "no HTTP", "a chunk of no number"])
def test_broken_connections_are_broken(kind: str) -> None:
    case = _of(kind)
    with OddPlanner() as planner, httpx.Client(trust_env=False) as client:
        planner.answers = {case.number: case.spoiled.answers}
        with pytest.raises(httpx.TransportError):
            client.post(f"http://127.0.0.1:{planner.port}/odd/", json={"request": {"case": case.number}})


def test_good_planner_answers_what_it_is_told() -> None:
    with OddPlanner() as planner, httpx.Client(trust_env=False) as client:
        said = client.post(f"http://127.0.0.1:{planner.port}/good/", json={"request": {"answer": {"results": []}}})
    assert json.loads(said.content) == {"results": []}
