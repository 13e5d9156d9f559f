"""What events there are: the list, the schemas, the AsyncAPI document; and the component models in OpenAPI."""

import json
import re
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from pydantic_asyncapi.v3 import AsyncAPI

from missions.event_catalogue import CATALOGUE
from missions.event_schemas import CONTENT_TYPE, example
from missions.events import EventType
from tests.api.conftest import mission, problem


async def test_every_type_is_listed_with_the_address_of_its_schema(api: httpx.AsyncClient) -> None:
    items = (await api.get("/events/types")).json()["items"]
    assert [item["type"] for item in items] == [kind.value for kind in CATALOGUE]
    failed = next(item for item in items if item["type"] == "task.failed")
    assert failed["severities"] == ["ERROR", "WARNING", "CRITICAL"]
    assert failed["sources"] == ["mission_worker"]
    answer = await api.get(failed["schemaUrl"].partition("/api/v1")[2])
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert answer.json()["$id"] == failed["schemaUrl"]
    Draft202012Validator(answer.json()).validate(example(EventType.TASK_FAILED))


async def test_unknown_type_is_refused(api: httpx.AsyncClient) -> None:
    found = problem(await api.get("/events/types/task.unheard_of"), 404)
    assert "/api/v1/events/types" in found["errors"][0]["remedy"]


async def test_events_of_a_mission_follow_their_schemas(world: httpx.AsyncClient) -> None:
    made = await mission(world)
    told = (await world.get(f"/work-processes/{made['id']}/events")).json()["items"]
    assert [event["type"] for event in told] == [
        "work_process.created", "work_process.status_changed", "task.created",
    ]  # fmt: skip
    for event in told:
        Draft202012Validator((await world.get(f"/events/types/{event['type']}")).json()).validate(event)
    assert [event["source"] for event in told] == ["api"] * 3
    assert told[2]["causation_id"] == told[1]["id"]


async def test_async_api_document_is_read_by_another_implementation(api: httpx.AsyncClient) -> None:
    document = (await api.get("/asyncapi.json")).json()
    for pointer in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        assert resolved(document, pointer) is not None, pointer
    channel = document["channels"]["events"]
    assert channel["bindings"]["amqp"]["exchange"] | {"name": "", "type": ""} == {
        "name": "", "type": "", "durable": True, "autoDelete": False,
    }  # fmt: skip
    # Its model knows the specification's word `routingKey` as `exchange`.
    known = json.loads(json.dumps(document))
    known["channels"]["events"]["bindings"]["amqp"]["is"] = "exchange"
    read = AsyncAPI.model_validate(known)
    assert (read.asyncapi, read.operations["sendEvents"].action) == ("3.0.0", "send")  # type: ignore[index, union-attr]
    assert set(channel["messages"]) == set(document["components"]["messages"]) == {kind.value for kind in EventType}
    assert len(document["operations"]["sendEvents"]["messages"]) == len(EventType)


async def test_each_message_has_a_valid_example_and_a_type_of_its_own(api: httpx.AsyncClient) -> None:
    document = (await api.get("/asyncapi.json")).json()
    for name, message in document["components"]["messages"].items():
        # With the whole document as its base, so that references between schemas resolve.
        validator = Draft202012Validator({"components": document["components"], **message["payload"]})
        for shown in message["examples"]:
            validator.validate(shown["payload"])
            assert not validator.is_valid(shown["payload"] | {"type": "task.unheard_of"})
        wanted = resolved(document, message["payload"]["$ref"].removeprefix("#/"))
        assert wanted["properties"]["type"]["const"] == name


def resolved(document: Any, pointer: str) -> Any:
    for part in pointer.split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_description_has_a_model_of_every_event(app: FastAPI) -> None:
    document = app.openapi()
    answer = document["paths"]["/api/v1/work-processes/{id}/events"]["get"]["responses"]["200"]
    page = document["components"]["schemas"]["MissionEventPage"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/MissionEventPage"}
    mapping = page["properties"]["items"]["items"]["discriminator"]["mapping"]
    assert set(mapping) == {kind.value for kind in EventType}
    for pointer in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        assert resolved(document, pointer) is not None  # of any value the schema is empty
