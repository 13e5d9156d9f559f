import pytest

from settings import Settings
from tests.docs.generated import DOCS, MEANINGS, PARTS, SCHEMA, mission_file_schema_text, unit, with_generated_part


@pytest.mark.parametrize("file", PARTS)
def test_generated_part_is_current(file: str) -> None:
    assert (DOCS / file).read_text() == with_generated_part(file), "run: python -m tests.docs.generated"


def test_schema_of_mission_files_is_current() -> None:
    assert SCHEMA.read_text() == mission_file_schema_text(), "run: python -m tests.docs.generated"


def test_every_setting_has_one_meaning() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == list(MEANINGS)


def test_only_times_have_decimals() -> None:
    """The table of settings takes its unit from this."""
    words = ("timeout", "interval", "window", "expires", "initial", "max", "shutdown", "silence", "after", "keep")
    with_unit = [name for name in Settings.model_fields if unit(name) == " s"]
    assert [name for name in with_unit if not name.endswith(words)] == []
