"""What the API shows of a mission is what the database holds."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg

from faults.load.client import Client

_SAMPLE = 30


async def faults_in_view(client: Client, url: str, missions: Sequence[int], chance: random.Random) -> list[str]:
    """What is shown otherwise, for some of these missions."""
    found: list[str] = []
    connection = await asyncpg.connect(url)
    try:
        for mission in chance.sample(sorted(missions), min(_SAMPLE, len(missions))):
            row = await connection.fetchrow("SELECT status, failure FROM work_processes WHERE id = $1", mission)
            shown = await client.ask("GET", f"/work-processes/{mission}", fine=(404,))
            if row is None or shown["status_code"] == 404:
                found.append(f"mission {mission} was accepted, and the API or the database does not know it")
                continue
            assignments = await client.get(f"/work-processes/{mission}/assignments", limit=200)
            held = await connection.fetch("SELECT id, status FROM assignments WHERE work_process_id = $1", mission)
            found += differences(mission, shown, assignments["items"], dict(row), {r["id"]: r["status"] for r in held})
    finally:
        await connection.close()
    return found


def differences(
    mission: int,
    shown: Mapping[str, Any],
    assignments: Sequence[Mapping[str, Any]],
    row: Mapping[str, Any],
    held: Mapping[int, str],
) -> Iterator[str]:
    """Between the API's answers on a mission and its rows."""
    if shown["status"] != row["status"]:
        yield f"mission {mission} is {row['status']}, the API says {shown['status']}"
    failure = json.loads(row["failure"]) if row["failure"] else None
    codes = [None if each is None else each["code"] for each in (shown["failure"], failure)]
    if codes[0] != codes[1]:
        yield f"mission {mission} failed for {codes[1]}, the API says {codes[0]}"
    statuses = {int(each["id"]): each["status"] for each in assignments}
    if statuses != dict(held):
        yield f"mission {mission} has the assignments {dict(held)}, the API says {statuses}"
