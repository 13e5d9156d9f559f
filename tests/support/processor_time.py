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
    """Of this process alone, as on a machine that is not slower than usual."""
    with _no_garbage_collection():
        before = _of_the_process(_usual_work)
        taken = _of_the_process(work)
        slowness = max(1.0, before / _USUAL, _of_the_process(_usual_work) / _USUAL)
    return taken / slowness


def _usual_work() -> int:
    return sum(n * n for n in range(_ROUNDS))


def _of_the_process(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
