"""Missions as a client of the HTTP API sees them, with agents of ours at the other end."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.agents import Heard
from benchmarks.fleet import Fleet, News
from benchmarks.load import until

RECIPE = "benchmark"
_OPEN = ("dispatched", "preparing resources", "calculating", "executing", "assignments_completed", "canceling")
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Member:
    """An agent of the benchmark: its number in the agents' process, its uuid and its yard."""

    number: int
    uuid: str
    yard_uid: str

    @property
    def name(self) -> str:
        """What the agents' process calls it."""
        return f"{self.uuid}@{self.yard_uid}"


@dataclass(frozen=True)
class Drive:
    """Milliseconds of one mission of two assignments in a row."""

    submit_to_assignment: float
    done_to_next: float
    done_to_release: float


class Missions:
    """Runs missions; any number may run side by side, each with an agent of its own."""

    def __init__(self, http: httpx.AsyncClient, fleet: Fleet) -> None:
        self._http, self._fleet = http, fleet

    async def prepare(self, yards: Sequence[str], planner_url: str) -> None:
        """Make the yards, the service and the recipe of one step."""
        for uid in yards:
            await self._post("/yards", {"uid": uid, "name": uid})
        # The planner plans for the agents that a mission names, so it is not sent all that stand in the yard.
        service = {"name": RECIPE, "type": RECIPE, "url": planner_url, "requireAgentsData": False}
        await self._post("/services", service)
        await self._post("/recipes", {"name": RECIPE, "steps": [{"step": "plan", "serviceType": RECIPE}]})

    async def one_step(self, member: Member) -> None:
        """A mission of one assignment, until its agent is released."""
        mission = await self._submit(member, [{}])
        await self._until(member, mission, Heard.RELEASE)

    async def drive(self, member: Member) -> Drive:
        """A mission of two assignments, one after the other; until it has ended."""
        began = time.time()
        mission = await self._submit(member, [{}, {}])
        first = await self._until(member, mission, Heard.ASSIGNMENT)
        first_done = await self._until(member, mission, Heard.DONE)
        second = await self._until(member, mission, Heard.ASSIGNMENT)
        second_done = await self._until(member, mission, Heard.DONE)
        release = await self._until(member, mission, Heard.RELEASE)
        assert release.work_process_id == mission
        await self._ended(mission)
        return Drive(
            submit_to_assignment=1000 * (first.at - began),
            done_to_next=1000 * (second.at - first_done.at),
            done_to_release=1000 * (release.at - second_done.at),
        )

    async def cancel(self, member: Member, *, after: float = 0.05) -> float:
        """A mission that is cancelled while its agent works; milliseconds from the request to the agent's cancel."""
        mission = await self._submit(member, [{"hold": True}])
        await self._until(member, mission, Heard.ASSIGNMENT)
        await asyncio.sleep(after)  # let what follows the assignment come to rest
        began = time.time()
        await self._post(f"/work-processes/{mission}/cancel", {})
        heard = await self._until(member, mission, Heard.CANCEL)
        await self._until(member, mission, Heard.RELEASE)
        await self._ended(mission)
        return 1000 * (heard.at - began)

    async def make_webhook(self, url: str, types: Sequence[str]) -> int:
        """Have these events sent there; returns the webhook's id."""
        return int((await self._post("/webhooks", {"url": url, "types": list(types)}))["id"])

    async def drop_webhook(self, webhook: int) -> None:
        """Have them sent no more."""
        (await self._http.delete(f"/webhooks/{webhook}")).raise_for_status()

    async def roles_are_had(self, roles: Sequence[str]) -> None:
        """Wait until workers live that have these roles."""

        async def had() -> bool:
            workers = (await self._get("/workers"))["items"]
            return set(roles) <= {role for worker in workers if not worker["lost"] for role in worker["roles"]}

        await until(had, _TIMEOUT)

    async def delivered(self, outlet: str) -> None:
        """Wait until this outlet of the event log has nothing left to deliver."""

        async def nothing_left() -> bool:
            backlog = (await self._get("/events/stats", params={"window": 1}))["backlog"]
            return any(one["name"] == outlet and one["behind"] == 0 for one in backlog)

        await until(nothing_left, _TIMEOUT)

    async def quiet(self) -> None:
        """Wait until every mission has ended."""

        async def none_open() -> bool:
            return not await self._with_status(*_OPEN)

        await until(none_open, _TIMEOUT)

    async def failed(self) -> list[str]:
        """What went wrong with the missions that failed (200 at most)."""
        return [
            f"{item['id']}: {(item['failure'] or {}).get('text', item['status'])}"
            for item in await self._with_status("failed", limit=200)
        ]

    async def _until(self, member: Member, mission: int, what: Heard) -> News:
        """What the agent hears next of this kind; raises RuntimeError that says how the mission stands."""
        try:
            return await self._fleet.until(member.number, what)
        except TimeoutError:
            found = await self._get(f"/work-processes/{mission}")
            why = [reason["text"] for reason in found["waitingReasons"]]
            raise RuntimeError(
                f"agent {member.uuid} heard no {what.value!r} of mission {mission}, which is {found['status']!r} "
                f"({'; '.join(why) or 'no waiting reasons'}); {found['links']['temporalUi']}"
            ) from None

    async def _submit(self, member: Member, assignments: Sequence[dict[str, Any]]) -> int:
        answer: dict[str, Any] = {
            "status": "ready",
            "results": [{"agent_uuid": member.uuid, "assignment": assignment} for assignment in assignments],
            "dispatch_order": [[index] for index in range(len(assignments))],
        }
        created = await self._post(
            "/work-processes",
            {
                "workProcessTypeName": RECIPE,
                "status": "dispatched",
                "yardUid": member.yard_uid,
                "agentUuids": [member.uuid],
                "data": {"answer": answer},
            },
        )
        return int(created["id"])

    async def _ended(self, mission: int) -> None:
        async def over() -> bool:
            return (await self._get(f"/work-processes/{mission}"))["status"] not in _OPEN

        await until(over, _TIMEOUT)

    async def _with_status(self, *statuses: str, limit: int = 1) -> list[dict[str, Any]]:
        page = await self._get("/work-processes", params={"status": list(statuses), "limit": limit})
        items: list[dict[str, Any]] = page["items"]
        return items

    async def _get(self, path: str, *, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return _content(await self._http.get(path, params=params))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _content(await self._http.post(path, json=body))


def _content(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
    content: dict[str, Any] = response.json()
    return content
