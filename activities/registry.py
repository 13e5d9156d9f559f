"""Finds the activity types: those in this folder, and those that other packages add by entry point."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType

import activities
from activities.activity_types import ACTIVITY_TYPE_MARK, ActivityType

ENTRY_POINT_GROUP = "muster.activity_types"


@cache
def activity_types() -> Mapping[str, ActivityType]:
    """All activity types by name; raises RuntimeError if two share a name, or if a package's cannot be loaded."""
    found: dict[str, ActivityType] = {}
    for kind in [*_own(), *_added()]:
        # The same one again is a module that imports it, or two entry points of one module.
        if found.setdefault(kind.name, kind) is not kind:
            raise RuntimeError(
                f"two activity types are named {kind.name!r}:"
                f" {found[kind.name].run.__module__} and {kind.run.__module__}; rename one"
            )
    return MappingProxyType(found)


def _own() -> Iterator[ActivityType]:
    for module in pkgutil.iter_modules(activities.__path__):
        yield from _of(importlib.import_module(f"{activities.__name__}.{module.name}"))


def _added() -> Iterator[ActivityType]:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        where = f"the entry point {point.name!r} of {point.dist.name if point.dist else 'a package'}"
        try:
            kinds = _of(importlib.import_module(point.module))
        except Exception as error:
            raise RuntimeError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not kinds:
            raise RuntimeError(f"{where} names the module {point.module}, which holds no activity type")
        yield from kinds


def _of(module: ModuleType) -> list[ActivityType]:
    marks = (getattr(member, ACTIVITY_TYPE_MARK, None) for member in vars(module).values())
    return [kind for kind in marks if isinstance(kind, ActivityType)]
