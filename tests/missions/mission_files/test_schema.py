"""The JSON Schema of mission files says what the reader says, as far as a look at one value goes."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from missions.mission_files.reader import read_mission_file
from missions.mission_files.schema import mission_file_schema
from tests.missions.mission_files.cases import CASES, FILE, USUAL, Case
from tests.missions.mission_files.test_reader import REAL

VALIDATOR = Draft202012Validator(mission_file_schema())


class _Loader(yaml.SafeLoader):
    """As editors read it: JSON has no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

# What one value does not show: other values, other threads, all that the time zones or YAML itself know.
ONLY_THE_READER = {
    "a key twice, though YAML would take the last",
    "no instruments at all",
    "a prefix alone is no id",
    "two in one text",
    "the platform is no instrument",
    "attempts with a fraction are cut",
    "attempts beyond all",
    "attempts without end",
    "a time in quotes",
    "a day that there is not",
    "an hour that there is not",
    "a year out of range",
    "a zone by its abbreviation",
    "a zone in other capitals",
    "a zone that is the machine's own",
    "a zone that is a path",
    "a loop shorter than its waits",
    "and for one loop too, as the original",
    "an interval is missing",
    "an interval beyond all",
    "units are missing",
    "no device where there are two",
    "an instrument that is not reserved",
    "braces in braces",
    "two pairs of braces",
    "a value is missing",
    "a quote that does not end",
    "a name twice",
    "a number beyond all",
    "a wait beyond all",
}


def load(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(mission_file_schema())


@pytest.mark.parametrize("path", REAL, ids=[path.name for path in REAL])
def test_real_files_fit(path: Any) -> None:
    assert VALIDATOR.is_valid(load(path.read_text())) == (path.name != "mission_HDCamera.yml")


@pytest.mark.parametrize("case", CASES, ids=[case.why for case in CASES])
def test_it_agrees_with_the_reader(case: Case) -> None:
    fits = VALIDATOR.is_valid(load(case.text))
    if case.why in ONLY_THE_READER:
        assert fits
    else:
        assert fits == (read_mission_file(case.text).plan is not None)


def test_what_only_the_reader_says_are_cases() -> None:
    assert {case.why for case in CASES} >= ONLY_THE_READER
    assert VALIDATOR.is_valid(load(FILE.format(**USUAL)))
