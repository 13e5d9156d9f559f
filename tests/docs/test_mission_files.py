"""docs/mission-files.md shows what the reader takes, and names every key, word and path as they are."""

import re
from pathlib import Path

from api.app import create_app
from missions.mission_files.plan import ErrorPolicy, Method
from missions.mission_files.reader import FILE, MAX_THREADS, PLATFORM, read_mission_file
from missions.mission_files.schedules import EVENT, LOOP, SCHEDULE, UNITS
from missions.mission_files.threads import DEFAULT_ATTEMPTS, DEFAULT_POLICY, ERROR_HANDLING, ITEM, THREAD
from settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "mission-files.md").read_text()
KEYS = {*FILE, *PLATFORM, *THREAD, *ERROR_HANDLING, *SCHEDULE, *LOOP, *EVENT, *ITEM}


def test_its_example_is_a_mission_file_without_a_warning() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert read_mission_file(example).issues == []


def test_every_key_and_word_is_explained() -> None:
    rows = "\n".join(re.findall(r"^\|.*", PAGE, re.MULTILINE))
    explained = {part for word in re.findall(r"`([\w.]+)`", rows) for part in word.split(".")}
    assert explained >= KEYS | set(ErrorPolicy) | set(UNITS)
    assert [method for method in Method if f"`{method}`" not in PAGE] == []


def test_defaults_and_limits_are_the_codes() -> None:
    assert (
        f"`retry` |\n| `errorHandling.maxRetries` | attempts of each command in all, 1 or more | {DEFAULT_ATTEMPTS} |"
        in PAGE
    )
    assert DEFAULT_POLICY is ErrorPolicy.RETRY
    assert f"1 to {MAX_THREADS} threads" in PAGE


def test_its_paths_are_the_apis() -> None:
    named = set(re.findall(r"`[A-Z]+ (/api[^`]*)`", PAGE))
    assert named
    assert named <= set(create_app(Settings()).openapi()["paths"])
