"""Search attributes at the start of a mission or queue, and their registration."""

from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from missions.contracts import MissionQueueStart, WorkProcessStart
from workflows.search_attributes import AGENTS, ALL_KEYS, MISSION_PRIORITY, MISSION_QUEUE, MISSION_TYPE, YARD


def at_start(start: WorkProcessStart) -> TypedSearchAttributes:
    """The attributes that a mission starts with."""
    of_queue = [] if start.mission_queue_id is None else _queue(start.mission_queue_id)
    return TypedSearchAttributes(
        [
            SearchAttributePair(MISSION_TYPE, start.mission_type),
            *([SearchAttributePair(YARD, start.yard)] if start.yard else []),
            SearchAttributePair(MISSION_PRIORITY, start.priority),
            SearchAttributePair(AGENTS, start.agents),
            *of_queue,
        ]
    )


def at_queue_start(start: MissionQueueStart) -> TypedSearchAttributes:
    """The attributes that a queue's run starts with."""
    return TypedSearchAttributes(_queue(start.mission_queue_id))


def _queue(queue_id: int) -> list[SearchAttributePair[Any]]:
    return [SearchAttributePair(MISSION_QUEUE, str(queue_id))]


async def ensure_registered(client: Client) -> None:
    """Register what is missing; raises RuntimeError if an attribute has another type.

    A run that upserts an unknown attribute is stuck for ever, so a worker does not start without them.
    """
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    known = dict(listed.custom_attributes)
    wanted = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in ALL_KEYS}
    for name, value_type in wanted.items():
        if name in known and known[name] != value_type:
            raise RuntimeError(
                f"the Temporal search attribute {name!r} has another type than Muster needs; remove or rename it"
            )
    missing = {name: value_type for name, value_type in wanted.items() if name not in known}
    if not missing:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # a second worker was faster
            raise
