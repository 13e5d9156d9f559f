"""Mission files written by tests: threads of one or more of the platform's CTDs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import yaml

PAST = datetime(2014, 7, 18)
NEVER = datetime(2999, 1, 1)
SAMPLE = "execute_resource(ACQUIRE_SAMPLE)"


def file(*threads: dict[str, Any]) -> str:
    """A mission file of these threads."""
    return yaml.safe_dump({"name": "test", "mission": list(threads)}, sort_keys=False)


def timed(
    *commands: str,
    of: Sequence[int] = (2,),
    pre: Sequence[str] = (),
    post: Sequence[str] = (),
    start: datetime = PAST,
    every: float | None = None,
    quantity: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A thread of the CTDs of these numbers, by the clock. `every`: seconds; commands name no CTD: it is the first.

    Of every thread: `default`, `retries`, and its commands' `timeout` in seconds.
    """
    schedule = {
        "startTime": start,
        "timeZone": None,
        "loop": {"quantity": quantity, "value": every, "units": None if every is None else "secs"},
    }
    return _thread(of, schedule, pre, commands, post, **more)


def on_event(
    event: str,
    *commands: str,
    source: str = "LJ01D",
    of: Sequence[int] = (2,),
    pre: Sequence[str] = (),
    post: Sequence[str] = (),
    quantity: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A thread of the CTDs of these numbers, driven by an event of a device: the platform's, unless it is said."""
    schedule = {
        "startTime": None,
        "timeZone": None,
        "loop": {"quantity": quantity, "value": None, "units": None},
        "event": {"parentID": source, "eventID": event},
    }
    return _thread(of, schedule, pre, commands, post, **more)


def _thread(
    of: Sequence[int],
    schedule: dict[str, Any],
    pre: Sequence[str],
    commands: Sequence[str],
    post: Sequence[str],
    *,
    default: str = "abort",
    retries: int = 3,
    timeout: float | None = None,
) -> dict[str, Any]:
    instruments = [f"PRE:SBE37_SIM_0{number}" for number in of]

    def written(sequence: Sequence[str]) -> list[dict[str, Any]]:
        limit = {} if timeout is None else {"timeout": timeout}
        return [
            {"command": _command(text, instruments[0]), "onError": None} | ({} if text.startswith("wait(") else limit)
            for text in sequence
        ]

    return {
        "instrumentID": instruments,
        "errorHandling": {"default": default, "maxRetries": retries},
        "schedule": schedule,
        "preMissionSequence": written(pre),
        "missionSequence": written(commands),
        "postMissionSequence": written(post),
    }


def _command(text: str, instrument: str) -> str:
    return text if text.startswith("wait(") or ", " in text else f"{instrument}, {text}"
