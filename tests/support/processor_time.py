"""How much work something is, on a machine that is as slow as it likes to be."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ROUNDS = 500_000
_USUAL = 0.03
"""Seconds that the rounds take on the machine whose seconds the limits are."""


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """What tests before left in memory is gone through at some moment, and would count as the work of this one."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this process alone, as on a machine that is not slower than usual: to compare with a number."""
    before = seconds_here(_usual_work)
    taken = seconds_here(work)
    return taken / max(1.0, before / _USUAL, seconds_here(_usual_work) / _USUAL)


def _usual_work() -> int:
    return sum(n * n for n in range(_ROUNDS))


def seconds_here(work: Callable[[], object]) -> float:
    """Of this process alone, on this machine: to compare with each other."""
    with _no_garbage_collection():
        began = time.process_time()
        work()
        return time.process_time() - began
