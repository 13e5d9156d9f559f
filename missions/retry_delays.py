"""How long a mission waits before its next attempt. Not in missions/retries.py: workflows may load no randomness."""

from random import Random

from missions.recipes import MissionOptions


def retry_delay(options: MissionOptions, retry_count: int, random: Random) -> float:
    """Seconds: exponential, capped, and any part of that, so that missions that failed together do not come together.

    `retry_count`: failures so far, from 1.
    """
    longest = options.retry_initial_interval * options.retry_backoff ** (retry_count - 1)
    return random.uniform(0.0, min(longest, options.retry_max_interval))
