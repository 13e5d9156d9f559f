"""Readiness says which part is away, and spares what the API itself does not need."""

import dataclasses
from collections.abc import Collection

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from api.probes import Probe


def probe(up: bool) -> Probe:
    async def check() -> None:
        if not up:
            raise ConnectionRefusedError

    return Probe(check)


@pytest.mark.parametrize(
    ("down", "status", "word"),
    [
        ((), 200, "ready"),
        (("rabbitmq",), 200, "degraded"),
        (("temporal",), 503, "not ready"),
        (("database", "rabbitmq"), 503, "not ready"),
    ],
)
async def test_broker_alone_does_not_make_the_api_unready(
    app: FastAPI, api: AsyncClient, down: Collection[str], status: int, word: str
) -> None:
    probes = {name: probe(name not in down) for name in ("database", "temporal", "rabbitmq")}
    parts = app.state.parts
    app.state.parts = dataclasses.replace(parts, probes=probes)
    try:
        answer = await api.get("http://muster/health/ready")
    finally:
        app.state.parts = parts
    found = answer.json()
    assert (answer.status_code, found["status"]) == (status, word)
    assert {name for name, part in found["parts"].items() if not part["ok"]} == set(down)
    if "rabbitmq" in down:
        assert "agents are not reached, all else goes on" in found["parts"]["rabbitmq"]["detail"]
