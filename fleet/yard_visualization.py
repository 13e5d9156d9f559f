"""What tools and assistants see in their yard (`yard.{uid}.visualization`): poses of agents, changes of map objects.

Lossy, as sensors are, and merged a few times a second. No event tells of it: poses are not in the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import Field

from fleet.data_requests import MapObjectData
from fleet.dead_letters import DeadLetter, DeadLetters, dead_lettered
from fleet.halving import halve
from fleet.topology import read_yard_key
from fleet.wire import BadMessage, Inner, Profile, Reason, read_body, read_envelope
from missions.requests import Id, Request
from missions.statuses import AgentClass
from store import agents, map_objects
from store.agents import Standing
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

    def __init__(self, database: Database, dead_letters: DeadLetters) -> None:
        self._database = database
        self._dead_letters = dead_letters

    async def handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Merge a batch and write it; raises PartUnavailable or UnknownOutcome to be tried again."""
        letters: list[DeadLetter] = []
        seen: list[_Seen] = []
        for raw in messages:
            with dead_lettered(raw, letters):
                seen.append(_read(raw))
        async with self._database.statement() as connection:
            named = {each.inner.uuid for each in seen} | {each.raw.user_id or "" for each in seen}
            known = await agents.standing(connection, named)
        good: list[tuple[_Seen, dict[str, Any], list[dict[str, Any]]]] = []
        for each in seen:
            with dead_lettered(each.raw, letters):
                good.append((each, *_checked(each, known)))

        async def write(rows: Sequence[tuple[_Seen, dict[str, Any], list[dict[str, Any]]]]) -> None:
            poses: dict[int, dict[str, Any]] = {}
            objects: dict[tuple[int, int], dict[str, Any]] = {}
            for row, pose, changed in rows:
                if pose:
                    poses.setdefault(known[row.inner.uuid].id, {}).update(pose)
                for item in changed:
                    objects.setdefault((item["yard_id"], item["id"]), {}).update(item)
            async with self._database.transaction() as connection:
                await agents.write_profiles(connection, poses, at=None)
                await map_objects.patch_seen(connection, [objects[key] for key in sorted(objects)])

        await halve(
            good,
            write,
            lambda row, error: letters.append(
                DeadLetter(row[0].raw, Reason.REFUSED_BY_DATABASE, str(getattr(error, "orig", None) or error))
            ),
        )
        await self._dead_letters.put(letters, kept=_KEPT)


def _read(raw: AbstractIncomingMessage) -> _Seen:
    yard_uid = read_yard_key(raw.routing_key or "")
    if yard_uid is None:
        raise BadMessage(Reason.BAD_ROUTING_KEY, f"{raw.routing_key!r} is not yard.<uid>.visualization")
    return _Seen(raw, yard_uid, read_envelope(raw.body))


def _checked(seen: _Seen, known: Mapping[str, Standing]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The pose and sensors of the named agent, and the map objects; raises BadMessage."""
    sender, subject = known.get(seen.raw.user_id or ""), known.get(seen.inner.uuid)
    if sender is None or sender.agent_class not in SEERS or sender.yard_uid != seen.yard_uid:
        raise BadMessage(
            Reason.WRONG_SENDER, f"{seen.raw.user_id!r} is no tool or assistant that stands in yard {seen.yard_uid!r}"
        )
    if subject is None or subject.yard_uid != seen.yard_uid:
        raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {seen.inner.uuid!r} does not stand in yard {seen.yard_uid!r}")
    body = seen.inner.body
    listed = body.get("map_objects", [body["map_object"]] if "map_object" in body else [])
    objects = read_body(SeenObjects, {"map_objects": listed}).map_objects
    pose = {name: value for name, value in read_body(Profile, body).fields().items() if name in _SEEN}
    changed = [item.model_dump(exclude_unset=True) | {"yard_id": sender.yard_id} for item in objects]
    return pose, changed
