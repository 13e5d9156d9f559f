"""Missions whose agents misbehave, and how each must end all the same: the first last word of an agent counts."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from faults.load.scripts import Mission, answer, orders
from faults.stage.words import Word
from missions.errors import FailureCode

Script = Callable[[random.Random, str], Mission]
"""A mission for one agent."""


def _mission(agent: str, says: Sequence[Word], *, ends: str = "succeeded", **more: Any) -> Mission:
    """`more`: fields of the mission, and of its assignment what the agent does `at_cancel` and so on."""
    order = {"says": says, **{key: more.pop(key) for key in list(more) if key.startswith("at_")}}
    return Mission("odd", [agent], {"answer": orders([[(agent, order)]])}, ends=ends, **more)


def _plain(agent: str, **more: Any) -> Mission:
    """One in which it behaves."""
    return _mission(agent, ["executing", 0.5, "succeeded"], **more)


def repeated(times: int) -> Script:
    """Each word so many times."""

    def script(chance: random.Random, agent: str) -> Mission:
        work = chance.uniform(0, 2)
        return _mission(agent, [*["executing"] * times, work, *["succeeded"] * times])

    return script


def after_free(chance: random.Random, agent: str) -> Mission:
    """The last word comes seconds after the agent said that it is free."""
    return _mission(agent, ["executing", "free", chance.uniform(2, 4), "succeeded"])


def after_a_break(chance: random.Random, agent: str) -> Mission:
    """The last word comes after a reconnect."""
    return _mission(agent, ["executing", f"away:{chance.uniform(2, 4)}", "succeeded"])


def in_the_next_mission(chance: random.Random, agent: str) -> Mission:
    """In its next mission it says that the assignment of the mission before failed."""
    later = _mission(agent, ["executing", "old", chance.uniform(0, 1), "old", "succeeded"])
    return _plain(agent, then=later)


def end_before_the_beginning(chance: random.Random, agent: str) -> Mission:
    """Succeeded, then executing."""
    return _mission(agent, ["succeeded", chance.uniform(0, 1), "executing", "active"])


def free_before_the_end(chance: random.Random, agent: str) -> Mission:
    """Free and ready, then succeeded."""
    return _mission(agent, ["executing", chance.uniform(0, 1), "free", "ready", "succeeded", "busy", "free"])


def contradiction(first: str, *others: Word) -> Script:
    """Says one end, then others."""

    def script(chance: random.Random, agent: str) -> Mission:
        words: list[Word] = ["executing", chance.uniform(0, 1), first, *others]
        return _mission(agent, words, ends="succeeded" if first == "succeeded" else "failed")

    return script


def foreign(chance: random.Random, agent: str) -> Mission:
    """Reports on everybody's assignments, and its own."""
    return _mission(agent, ["executing", "others", chance.uniform(0, 1), "others", "succeeded"])


def away_at_reserve(chance: random.Random, agent: str) -> Mission:
    """Gone before it could say `ready`."""
    return _plain(agent, at_reserve=[f"away:{chance.uniform(0, 2)}", "ready"], then=_plain(agent))


def away_at_reserve_for_long(chance: random.Random, agent: str) -> Mission:
    """Gone before it could say `ready`, for longer than that is waited for: its mission stands in line again."""
    return _plain(agent, then=_plain(agent), at_reserve=[f"away:{chance.uniform(25, 30)}"])


def away_at_assignment(chance: random.Random, agent: str) -> Mission:
    """Gone right after it got its assignment."""
    return _mission(agent, [f"away:{chance.uniform(0, 2)}", "executing", 1, "succeeded"])


def away_at_work(chance: random.Random, agent: str) -> Mission:
    """Gone in the middle."""
    return _mission(agent, ["executing", chance.uniform(0, 1), f"away:{chance.uniform(0, 2)}", 1, "succeeded"])


def away_with_the_last_word(chance: random.Random, agent: str) -> Mission:
    """Gone with its last word, which may be lost; it says it again, when it may have missed its release."""
    words: list[Word] = ["executing", chance.uniform(0, 1), "succeeded", f"away:{chance.uniform(0, 2)}"]
    return _mission(agent, words, then=_plain(agent))


def away_at_release(chance: random.Random, agent: str) -> Mission:
    """Gone when its release comes."""
    return _mission(agent, ["executing", 0.5, "succeeded", 0.05, f"away:{chance.uniform(8, 16)}"], then=_plain(agent))


def away_after_release(chance: random.Random, agent: str) -> Mission:
    """Gone when it was released, before it said `free`."""
    return _plain(agent, at_release=[f"away:{chance.uniform(0, 2)}", "free"], then=_plain(agent))


def anew_at_assignment(chance: random.Random, agent: str) -> Mission:
    """Checks in anew before it says a word of its assignment."""
    return _mission(agent, [f"anew:{chance.uniform(0, 1)}", "executing", 0.2, "succeeded"], then=_plain(agent))


def anew_at_work(chance: random.Random, agent: str) -> Mission:
    """Checks in anew in the middle, and goes on."""
    words: list[Word] = ["executing", chance.uniform(0, 1), f"anew:{chance.uniform(0, 1)}", 0.2, "succeeded"]
    return _mission(agent, words, then=_plain(agent))


def deaf_between_missions(chance: random.Random, agent: str) -> Mission:
    """Says that it is free, and hears nothing; much later it does."""
    deaf: list[Word] = [word for _ in range(4) for word in ("free", chance.uniform(1, 3))]
    return _plain(agent, at_release=["deaf", *deaf, "listen", "free"], then=_plain(agent))


def deaf_at_assignment(chance: random.Random, agent: str) -> Mission:
    """Deaf after it said `ready`, when its assignment comes; seconds later it hears again, and says so."""
    deaf: list[Word] = ["deaf", "ready", chance.uniform(2, 5), "listen", "ready"]
    return _plain(agent, at_reserve=deaf, then=_plain(agent))


def deaf_all_along(chance: random.Random, agent: str) -> Mission:
    """Deaf as long as its mission lasts, which is cancelled."""
    never = _plain(agent, ends="canceled", cancel_after=chance.uniform(5, 10))
    return _plain(agent, at_reserve=["deaf", 25, "listen", "free"], then=never)


def deaf_at_cancel(chance: random.Random, agent: str) -> Mission:
    """Deaf when it is cancelled, until the third request."""
    words: list[Word] = ["executing", "deaf", chance.uniform(12, 16), "listen", 60]
    return _mission(agent, words, ends="canceled", cancel_after=chance.uniform(2, 3), then=_plain(agent))


def at_cancel(*words: Word) -> Script:
    """Says that when it is cancelled."""

    def script(chance: random.Random, agent: str) -> Mission:
        after = chance.uniform(1, 3)
        return _mission(agent, ["executing", 60], ends="canceled", cancel_after=after, at_cancel=words)

    return script


def never_confirms(chance: random.Random, agent: str) -> Mission:
    """Answers no cancel; it is free when it is released."""
    words = {"at_cancel": [], "at_release": ["canceled", "free"]}
    return _mission(agent, ["executing", 90], ends="canceled", cancel_after=1, **words, then=_plain(agent))


FLOODED_FOR = 10.0
"""Seconds."""


def flood(agent: str) -> Mission:
    """Says as much as it can."""
    order = {"says": ["executing", f"flood:{FLOODED_FOR}", "succeeded"]}
    return Mission("flood", [agent], {"answer": orders([[(agent, order)]])})


TERMINATED = "terminated"


def terminated(chance: random.Random, agent: str) -> Mission:
    """Goes on until its run is terminated: with its planner, or at work."""
    data = {"answer": answer([[(agent, 120.0)]], stop=1.0), "pending": chance.choice((0, 120)), "fate": TERMINATED}
    return Mission(TERMINATED, [agent], data, ends="failed", code=FailureCode.TERMINATED)


BESIDE, BESIDE_NOTHING = "beside a flood", "beside nothing"
_ONE_AFTER_THE_OTHER = 3


def beside(what: str, agent: str) -> Mission:
    """Short missions that go on meanwhile, one after the other."""
    mission = None
    for _ in range(_ONE_AFTER_THE_OTHER):
        mission = Mission(what, [agent], {"answer": answer([[(agent, 0.0)]])}, then=mission)
    assert mission is not None
    return mission
