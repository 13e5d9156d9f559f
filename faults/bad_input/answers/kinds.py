"""What a kind of odd answers is made with: the mission that asks, its agents, and good answers to spoil.

A kind is a function from these to what is answered, and how its mission must end.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults.bad_input.answers.expected import End, fine
from faults.bad_input.answers.odd_planner import Answer, http, in_json

LIMIT = 256 * 1024
"""Bytes of an answer that Muster takes here."""
STEP_TIMEOUT = 4
"""Seconds of a step that is expected to run out of time."""


@dataclass(frozen=True)
class Facts:
    """Who is there. `mine`: agents of the missions, one of them for each case."""

    mine: tuple[tuple[int, str], ...]
    bystander: tuple[int, str]
    """Not in any mission, and free: a planner may plan for it."""
    held: tuple[int, str]
    """An instrument that an ordinary mission holds."""


@dataclass(frozen=True)
class Spoiled:
    """What one kind makes of one case."""

    answers: tuple[Answer, ...]
    ends: tuple[End, ...]
    recipe: str = "odd"
    """`odd` has time; `odd-short` has `STEP_TIMEOUT`; `odd-map` asks a map server; `odd-steps` has a step after it;

    `odd-again` has two attempts; `odd-nobody` has a service where nobody listens.
    """


@dataclass(frozen=True)
class Case:
    """One mission."""

    number: int
    kind: str
    agent: tuple[int, str]
    spoiled: Spoiled


@dataclass(frozen=True)
class Making:
    """What a kind makes its case of."""

    chance: random.Random
    facts: Facts
    number: int
    agent: tuple[int, str]

    @property
    def uuid(self) -> str:
        """The mission's agent."""
        return self.agent[1]

    def job(self, odd: object = "") -> str:
        """An id that leads back to the case."""
        return f"{self.number}.{odd}"

    def entry(self, **fields: Any) -> dict[str, Any]:
        """A good entry of `results`, with fields put in its place; `...` leaves one out."""
        whole = {"agent_uuid": self.uuid, "assignment": {"drive": 1}, **fields}
        return {name: value for name, value in whole.items() if value is not ...}

    def good(self, **fields: Any) -> dict[str, Any]:
        """A good answer, with fields put in its place."""
        whole = {"status": "successful", "results": [self.entry()], **fields}
        return {name: value for name, value in whole.items() if value is not ...}

    def pending(self, job: object = "") -> Answer:
        """`pending` with the job's id."""
        return in_json({"status": "pending", "request_id": self.job(job)})


def of(make: Callable[..., Any], *values: Any) -> Callable[[Making], Any]:
    """What makes it of these values: those of a loop are other ones when it is called."""
    return lambda made: make(made, *values)


Kind = Callable[[Making], Spoiled]
KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    """Make the function a kind."""

    def add(made: Kind) -> Kind:
        assert name not in KINDS, name
        KINDS[name] = made
        return made

    return add


def one(answer: Answer, *ends: End, recipe: str = "odd") -> Spoiled:
    return Spoiled((answer,), ends, recipe)


def value_kind(name: str, value: Callable[[Making], Any], *ends: End, recipe: str = "odd") -> None:
    """A kind that is one JSON value."""
    kind(name)(lambda made: one(in_json(value(made)), *ends, recipe=recipe))


def good_kind(name: str, value: Callable[[Making], Any], recipe: str = "odd") -> None:
    """A kind that is one JSON value, odd but valid: the mission's agent gets its assignment."""
    kind(name)(lambda made: one(in_json(value(made)), fine(made.uuid), recipe=recipe))


def bytes_kind(name: str, answer: Callable[[Making], Answer], *ends: End, recipe: str = "odd") -> None:
    """A kind that is one answer in bytes."""
    kind(name)(lambda made: one(answer(made), *ends, recipe=recipe))


def spliced(made: Making, odd: bytes, **headers: str) -> Answer:
    """A good answer with these bytes as a value in its assignment."""
    whole = json.dumps(made.good(results=[made.entry(assignment={"odd": "@"})]))
    return http(whole.encode().replace(b'"@"', odd), **headers)


def good_bytes(made: Making) -> bytes:
    """The body of a good answer."""
    return json.dumps(made.good()).encode()


def good_head(made: Making) -> bytes:
    """The bytes of a good answer, head and all."""
    return http(good_bytes(made)).content
