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


async def _patch(api: httpx.AsyncClient, uuid: str, fields: dict[str, Any]) -> int:
    found = (await api.get("/agents", params={"uuid": uuid})).raise_for_status().json()["items"]
    if not found:
        raise LookupError(f"there is no agent {uuid}: has it checked in?")
    key = int(found[0]["id"])
    (await api.patch(f"/agents/{key}", json=fields)).raise_for_status()
    return key
