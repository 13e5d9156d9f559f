"""Finds the activity types: those in this folder, and those that other packages add by entry point."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType

import activities
from activities.activity_types import ACTIVITY_TYPE_MARK, ActivityType

ENTRY_POINT_GROUP = "muster.activity_types"


@cache
def activity_types() -> Mapping[str, ActivityType]:
    """All activity types by name; raises RuntimeError if two share a name."""
    found: dict[str, ActivityType] = {}
    for module in _modules():
        for member in vars(module).values():
            kind = getattr(member, ACTIVITY_TYPE_MARK, None)
            if not isinstance(kind, ActivityType) or kind.run.__module__ != module.__name__:
                continue
            if kind.name in found:
                raise RuntimeError(
                    f"two activity types are named {kind.name!r}:"
                    f" {found[kind.name].run.__module__} and {module.__name__}; rename one"
                )
            found[kind.name] = kind
    return MappingProxyType(found)


def _modules() -> list[ModuleType]:
    own = [
        importlib.import_module(f"{activities.__name__}.{module.name}")
        for module in pkgutil.iter_modules(activities.__path__)
    ]
    added = [importlib.import_module(point.module) for point in entry_points(group=ENTRY_POINT_GROUP)]
    return own + added
