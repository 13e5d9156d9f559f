"""Installed packages for tests: a real module with real metadata, in a folder on `sys.path`."""

import importlib
from pathlib import Path

import pytest

from activities.registry import ENTRY_POINT_GROUP, activity_types


def add_distribution(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, source: str, entries: str = "") -> None:
    """Install a package of one module; `entries`: its entry points, by default its module."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entries or f'{name} = {name}'}\n")
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    activity_types.cache_clear()
