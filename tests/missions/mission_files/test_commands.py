from typing import Any

import pytest

from missions.mission_files.commands import parse_command


@pytest.mark.parametrize(
    ("braces", "values", "named"),
    [
        ("{3}", [3], {}),
        ("{-90, +1.5, .5, 1e3, 007}", [-90, 1.5, 0.5, 1000.0, 7], {}),
        ("{50,on}", [50, "on"], {}),  # devices have words like this; true and false are the truth
        ("{true, False, TRUE, null, ~}", [True, False, True, None, None], {}),
        ("{hdproc-local}", ["hdproc-local"], {}),
        ("{a b, don't}", ["a b", "don't"], {}),
        ("{'3', \"true\", 'it\\'s', ''}", ["3", "true", "it's", ""], {}),
        ("{pan: 0, 5, tilt: 'x: y', on : true}", [5], {"pan": 0, "tilt": "x: y", "on": True}),
        ("{http://host:80/a, 12:30}", ["http://host:80/a", "12:30"], {}),
        ("{12345678901234567890}", [12345678901234567890.0], {}),
        ("{}", [], {}),
        ("", [], {}),
    ],
)
def test_values(braces: str, values: list[Any], named: dict[str, Any]) -> None:
    call = parse_command(f"A, execute_resource(X{braces})")
    assert call.problems == []
    assert (call.values, call.named) == (values, named)
    assert [type(value) for value in call.values] == [type(value) for value in values]


def test_a_comma_between_values_parts_no_device() -> None:
    call = parse_command("execute_resource(X{1, 2})")
    assert (call.device, call.values) == ("", [1, 2])


@pytest.mark.parametrize("between", [" ", "  ", ": ", "; "])
def test_a_forgotten_comma_is_told_and_the_device_kept(between: str) -> None:
    call = parse_command(f"PRE:CTD_1{between}execute_resource(START)")
    (problem,) = call.problems
    assert (problem.offset, problem.message) == (0, "the comma after `PRE:CTD_1` is missing")
    assert problem.remedy == "write `PRE:CTD_1, execute_resource(…)`"
    assert call.device == "PRE:CTD_1"


def test_a_device_before_a_wait_is_to_go() -> None:
    (problem,) = parse_command("PRE:CTD_1 wait(1)").problems
    assert problem.remedy == "write `wait(…)` alone: it is nobody's"
