"""What tools and assistants see in their yard (`yard.{uid}.visualization`): poses of agents, changes of map objects.

Lossy, as sensors are, and merged a few times a second. No event tells of it: poses are not in the log.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import Field

from fleet.agent_bodies import Profile, read_body
from fleet.agent_messages import said_at
from fleet.data_requests import MapObjectData
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.halving import halve
from fleet.moved_lines import MovedLines
from fleet.rate_limits import Limit, RateLimits, Verdicts
from fleet.topology import read_yard_key
from fleet.wire import BadMessage, Inner, Reason, read_envelope
from missions.events import utc_now
from missions.requests import Id, Request
from missions.statuses import AgentClass
from settings import Settings
from store import agents, map_objects, message_counts
from store.agents import InYard
from store.database import Database

SEERS = (AgentClass.TOOL, AgentClass.ASSISTANT)
"""Who may speak of its yard."""
_SEEN = ("x", "y", "z", "orientations", "sensors")
_KEPT = 20


class SeenObject(MapObjectData):
    """A map object as it is seen; only keys that were sent count."""

    id: Id


class SeenObjects(Request):
    """The map objects of one message."""

    map_objects: list[SeenObject] = Field(max_length=10_000)


@dataclass(frozen=True)
class _Seen:
    raw: AbstractIncomingMessage
    yard_uid: str
    inner: Inner


class YardVisualization:
    """Handles the batches of the queue of yards."""

    def __init__(self, settings: Settings, database: Database, dead_letters: DeadLetters, lines: MovedLines) -> None:
        self._mqtt_exchange = settings.mqtt_exchange
        self._verdicts = Verdicts(RateLimits(settings.message_rate_limit, settings.update_rate_limit))
        self._database = database
        self._dead_letters = dead_letters
        self._lines = lines

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Merge a batch and write it; raises PartUnavailable or UnknownOutcome to be tried again."""
        letters: list[DeadLetter] = []
        seen: list[_Seen] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                seen.append(_read(raw))
        async with self._database.statement() as connection:
            named = {each.inner.uuid for each in seen} | {each.raw.user_id or "" for each in seen}
            known = await agents.in_yards(connection, named)
        self._verdicts.batch(messages)
        dropped: Counter[str] = Counter()
        last = {_speaks_of(each): each for each in seen}
        good: list[tuple[_Seen, dict[str, Any], list[dict[str, Any]]]] = []
        for each in seen:
            with dead_lettered(each.raw, letters):
                pose, objects = _checked(each, known, self._mqtt_exchange)
                over = self._over_limit(each, last)
                if over is None:
                    good.append((each, pose, objects))
                else:
                    dropped[over] += 1

        async def write(rows: Sequence[tuple[_Seen, dict[str, Any], list[dict[str, Any]]]]) -> None:
            poses: dict[int, dict[str, Any]] = {}
            objects: dict[tuple[int, int], dict[str, Any]] = {}
            for row, pose, changed in rows:
                if pose:
                    poses.setdefault(known[row.inner.uuid].id, {}).update(pose)
                for item in changed:
                    objects.setdefault((item["yard_id"], item["id"]), {}).update(item)
            async with self._database.transaction() as connection:
                moved = await agents.write_profiles(connection, poses, at=None)
                await map_objects.patch_seen(connection, [objects[key] for key in sorted(objects)])
            self._lines.add(moved)

        await halve(
            good,
            write,
            lambda row, error: letters.append(DeadLetter(row[0].raw, Reason.REFUSED_BY_DATABASE, str(error))),
        )
        await self._lines.refresh()
        await self._dead_letters.put(letters, kept=_KEPT)
        if dropped:
            async with self._database.transaction() as connection:
                await message_counts.count(connection, message_counts.DROPPED, dropped)

    def _over_limit(self, each: _Seen, last: Mapping[tuple[str, str], _Seen]) -> Limit | None:
        """What its sender exceeds with it; but the last word of each batch about each agent is kept."""
        over, _ = self._verdicts.of(each.raw, _speaks_of(each)[0], is_update=False, at=said_at(each.raw, utc_now()))
        return over if last[_speaks_of(each)] is not each else None


def _speaks_of(seen: _Seen) -> tuple[str, str]:
    """Who speaks (over MQTT only its yard is known), and of whom."""
    return seen.raw.user_id or f"yard.{seen.yard_uid}", seen.inner.uuid


def _read(raw: AbstractIncomingMessage) -> _Seen:
    yard_uid = read_yard_key(raw.routing_key or "")
    if yard_uid is None:
        raise BadMessage(Reason.BAD_ROUTING_KEY, f"{raw.routing_key!r} is not yard.<uid>.visualization")
    return _Seen(raw, yard_uid, read_envelope(raw.body))


def _checked(
    seen: _Seen, known: Mapping[str, InYard], mqtt_exchange: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The pose and sensors of the named agent, and the map objects; raises BadMessage."""
    sender, subject = known.get(seen.raw.user_id or ""), known.get(seen.inner.uuid)
    # Over MQTT the broker does not say who speaks: the topic rules let only tools and assistants of the yard use its
    # key, and no other account may use this exchange.
    vouched = seen.raw.exchange == mqtt_exchange and seen.raw.user_id is None
    if not vouched and (sender is None or sender.agent_class not in SEERS or sender.yard_uid != seen.yard_uid):
        raise BadMessage(
            Reason.WRONG_SENDER, f"{seen.raw.user_id!r} is no tool or assistant that stands in yard {seen.yard_uid!r}"
        )
    if subject is None or subject.yard_uid != seen.yard_uid:
        raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {seen.inner.uuid!r} does not stand in yard {seen.yard_uid!r}")
    body = seen.inner.body
    listed = body.get("map_objects", [body["map_object"]] if "map_object" in body else [])
    objects = read_body(SeenObjects, {"map_objects": listed}).map_objects
    pose = {name: value for name, value in read_body(Profile, body).fields().items() if name in _SEEN}
    changed = [item.model_dump(exclude_unset=True) | {"yard_id": subject.yard_id} for item in objects]
    return pose, changed
