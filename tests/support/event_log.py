"""Every event that a test left behind is held against the catalogue: at the teardown of databases and sites."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator
from sqlalchemy import select

from api.async_api import async_api
from missions.cloud_events import cloud_event
from missions.event_catalogue import AGENT, CATALOGUE
from missions.event_schemas import OF_MISSIONS, schema
from missions.events import Event, EventType, module_of
from settings import Settings
from store import events as store
from store.database import Database
from store.tables import events

_SHOWN = 10
_ENDS = (EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_CANCELLED)


async def check_events_at(database_url: str) -> None:
    """As `check_events`, of a database that nobody has open."""
    database = Database(Settings(database_url=database_url))
    try:
        await check_events(database)
    finally:
        await database.close()


async def check_events(database: Database) -> None:
    """Raise AssertionError, saying what is wrong, unless all events of a database are as the catalogue has them."""
    async with database.transaction() as connection:
        rows = await connection.execute(select(events).order_by(events.c.id))
        found = [store.to_event(row) for row in rows.mappings()]
    wrong = list(faults(found))
    shown = "\n".join(wrong[:_SHOWN])
    assert not wrong, f"{len(wrong)} of {len(found)} events are not as the catalogue says:\n{shown}"


def faults(found: list[Event]) -> Iterator[str]:
    """What is wrong with the events of one log, in words."""
    for event in found:
        yield from (f"{event.type} ({event.payload}): {fault}" for fault in _faults_of(event))
    yield from _faults_of_positions(found)
    yield from _faults_of_attempts(found)
    for event in {event.type: event for event in found if event.type in CATALOGUE}.values():  # their forms are alike
        yield from (f"{event.type}: {fault}" for fault in _faults_outside(event))
    known = {event.id for event in found}
    for event in found:
        if event.causation_id not in known | {None}:
            yield f"{event.type}: its causation_id {event.causation_id} is no event's id"


def _faults_of(event: Event) -> Iterator[str]:
    if event.type not in CATALOGUE:
        yield "an unknown type"
        return
    kind = EventType(event.type)
    described = CATALOGUE[kind]
    for error in _validator(kind).iter_errors(json.loads(event.model_dump_json())):
        yield f"{error.json_path}: {error.message}"
    if (AGENT if event.source.startswith("agent:") else event.source) not in described.sources:
        yield f"source {event.source!r} is none of {described.sources}"
    if event.severity not in described.severities:
        yield f"severity {event.severity} is none of {described.severities}"
    if event.meta.source_module != module_of(event.source):
        yield f"source_module {event.meta.source_module!r} does not go with the source {event.source!r}"
    if kind in OF_MISSIONS and event.mission_id is None:
        yield "no mission_id"
    if (event.mission_id, event.mission_id) != (event.task_id, event.correlation_id):
        yield f"ids differ: {event.mission_id}, {event.task_id}, {event.correlation_id}"


def _faults_outside(event: Event) -> Iterator[str]:
    """What the documents and libraries of others have against it."""
    document = _async_api()
    payload = document["components"]["messages"][event.type]["payload"]
    told = json.loads(event.model_dump_json())
    for error in Draft202012Validator(payload | {"components": document["components"]}).iter_errors(told):
        yield f"the AsyncAPI document has {error.json_path}: {error.message}"
    made = cloud_event(event, source="urn:muster:tests", types_url="http://muster/api/v1/events/types")
    read = JSONFormat().read(CloudEvent, json.dumps(made))
    if (read.get_id(), read.get_type(), read.get_data()) != (event.id, event.type, told["payload"]):
        yield f"as a CloudEvent it is read as {read}"


@cache
def _async_api() -> dict[str, Any]:
    return async_api("muster.events")


@cache
def _validator(kind: EventType) -> Draft202012Validator:
    return Draft202012Validator(schema(kind, "http://muster/api/v1/events/types"))


def _faults_of_attempts(found: list[Event]) -> Iterator[str]:
    of_missions: dict[str, list[Event]] = defaultdict(list)
    for event in found:
        if event.mission_id is not None:
            of_missions[event.mission_id].append(event)
    for mission, told in of_missions.items():
        told.sort(key=lambda event: event.mission_sequence or 0)
        started, over = Counter[int | None](), set[int | None]()
        for event, then in zip_longest(told, told[1:]):
            where = f"mission {mission}, attempt {event.attempt}: {event.type}"
            if event.type == EventType.TASK_STARTED:
                started[event.attempt] += 1
                if started[event.attempt] > 1:
                    yield f"{where} comes twice"
                if event.attempt in over:
                    yield f"{where} comes after its end"
            if event.type in _ENDS:
                if event.attempt in over:
                    yield f"{where} is its second end"
                over.add(event.attempt)
            goes_on = then is not None and (then.type, then.attempt) == (EventType.TASK_RETRYING, event.attempt)
            if event.type == EventType.TASK_FAILED and event.payload.get("will_retry") and not goes_on:
                yield f"{where} with will_retry is followed by {then and then.type}"


def _faults_of_positions(found: list[Event]) -> Iterator[str]:
    of_missions: dict[str | None, list[int | None]] = defaultdict(list)
    for event in found:
        of_missions[event.mission_id].append(event.mission_sequence)
    for mission, numbers in of_missions.items():
        wanted = [None] * len(numbers) if mission is None else list(range(1, len(numbers) + 1))
        if sorted(numbers, key=lambda number: number or 0) != wanted:
            yield f"mission {mission}: mission_sequence has gaps or repeats: {numbers}"
    positions = Counter(event.sequence for event in found if event.sequence is not None)
    yield from (f"sequence {number} is given {count} times" for number, count in positions.items() if count > 1)
