import sys
from collections.abc import Iterator

import pytest

from activities.registry import activity_types


@pytest.fixture
def _fresh_registry() -> Iterator[None]:
    """The registry forgets afterwards what a test installed."""
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if not name.startswith("activities"):
            del sys.modules[name]
    activity_types.cache_clear()
