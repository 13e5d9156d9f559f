"""Makes checked-in devices known as what they are: a platform, and its instruments by their names in mission files."""

from typing import Any

import httpx

PREFIX = "PRE:"
"""How mission files begin the ids of instruments."""


async def register(api: httpx.AsyncClient, platform: str, instruments: list[str]) -> int:
    """Set class, alias and parent of agents that have checked in, by their uuids; returns the platform's id.

    Raises LookupError naming an agent that is not there, httpx.HTTPStatusError for what else the API refuses.
    """
    parent = await _patch(api, platform, {"agentClass": "platform"})
    for uuid in instruments:
        await _patch(api, uuid, {"agentClass": "instrument", "alias": f"{PREFIX}{uuid}", "parentId": parent})
    return parent


async def ask_for_state(api: httpx.AsyncClient, uuid: str) -> None:
    """Have a simulated instrument of another process say its state; while a mission holds it, its reports tell.

    Raises httpx.HTTPStatusError for what else the API refuses.
    """
    answer = await api.post(f"/agents/{await _id(api, uuid)}/instant-actions", json={"command": "state"})
    if answer.status_code != 409:
        answer.raise_for_status()


async def _patch(api: httpx.AsyncClient, uuid: str, fields: dict[str, Any]) -> int:
    key = await _id(api, uuid)
    (await api.patch(f"/agents/{key}", json=fields)).raise_for_status()
    return key


async def _id(api: httpx.AsyncClient, uuid: str) -> int:
    found = (await api.get("/agents", params={"uuid": uuid})).raise_for_status().json()["items"]
    if not found:
        raise LookupError(f"there is no agent {uuid}: has it checked in?")
    return int(found[0]["id"])
