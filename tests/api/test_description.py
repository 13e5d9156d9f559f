"""The OpenAPI document says what really comes."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from api.app import create_app
from api.models.base import Resource
from settings import Settings
from tests.api.conftest import problem


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_what_is_answered_has_the_described_names() -> None:
    # One schema serves input and output: it is made of the names that are read.
    for model in subclasses(Resource):
        if not model.__pydantic_generic_metadata__["parameters"]:
            read = model.model_json_schema(mode="validation")["properties"]
            assert list(read) == list(model.model_json_schema(mode="serialization")["properties"]), model


def subclasses(model: type[Resource]) -> Iterator[type[Resource]]:
    for each in model.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_problem_is_described_as_one(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and not (name == "GET /health/ready" and status == "503"):
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_what_may_always_come_is_described(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        described = set(operation["responses"])
        if operation.get("security"):
            assert {"401", "503"} <= described, name
        if operation.get("parameters"):
            assert "422" in described, name
        if "requestBody" in operation:
            assert "413" in described, name
        if list(operation.get("requestBody", {}).get("content", ())) == ["application/json"]:
            assert "400" in described, name


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/services", "GET, POST"),
        ("/services/1", "DELETE, GET, PATCH"),
        ("/agents/1/instant-actions", "GET, POST"),
        ("/work-processes/1/cancel", "POST"),
        # It is a recipe's name too.
        ("/recipes/import", "DELETE, GET, POST, PUT"),
    ],
)
async def test_a_wrong_method_is_told_all_that_are_right(api: AsyncClient, path: str, allowed: str) -> None:
    answer = await api.request("OPTIONS", path)
    problem(answer, 405)
    assert answer.headers["Allow"] == allowed


async def test_a_service_is_described_as_it_is_shown(app: FastAPI, world: AsyncClient) -> None:
    shown = (await world.get("/services/1")).json()
    assert set(shown) == set(app.openapi()["components"]["schemas"]["Service"]["properties"])
    assert {"type", "url", "domain"} <= set(shown)
