"""A service with a health endpoint: shown, asked before its step, waited for."""

import secrets
from typing import Any

from tests.support.planner import Call, Service
from tests.support.site import Site, until


class Clinic:
    """A planner service whose health the test decides."""

    def __init__(self, site: Site, *, well: bool) -> None:
        self.site, self.well, self.name, self.id = site, well, f"clinic-{secrets.token_hex(3)}", 0
        self.service: Service = site.planner.service(self.name, self._answer)

    def _answer(self, call: Call) -> Any:
        if call.method == "GET":
            return (200, {"status": "ok"}) if self.well else (503, {"why": "no map yet"})
        return {"results": []}

    async def recipe(self, **fields: Any) -> None:
        """Register it, and a recipe of its name with one step."""
        body = {"name": self.name, "type": self.name, "url": self.service.url, "healthEndpoint": "health"} | fields
        self.id = (await self.site.post("/services", body))["id"]
        await self.site.post("/recipes", {"name": self.name, "steps": [{"step": "plan", "serviceType": self.name}]})

    async def until_shown(self, status: str) -> Any:
        async def shown() -> Any:
            health = (await self.site.get(f"/services/{self.id}"))["health"]
            return health if health["status"] == status else None

        return await until(shown, 10)


async def test_health_is_shown_while_no_mission_runs(site: Site) -> None:
    clinic = Clinic(site, well=False)
    await clinic.recipe()
    sick = await clinic.until_shown("unhealthy")
    assert sick["text"] == 'answered HTTP 503: {"why": "no map yet"}'
    clinic.well = True
    well = await clinic.until_shown("healthy")
    assert well["since"] > sick["since"]

    async def asked_again() -> bool:
        now = (await site.get(f"/services/{clinic.id}"))["health"]
        return bool(now["checkedAt"] > well["checkedAt"] and now["since"] == well["since"])

    await until(asked_again, 10)
    await site.api.patch(f"/services/{clinic.id}", json={"healthEndpoint": None})
    assert (await site.get(f"/services/{clinic.id}"))["health"] is None


async def test_step_waits_for_its_service_and_says_so(site: Site) -> None:
    clinic = Clinic(site, well=False)
    await clinic.recipe()
    mission = await site.mission(clinic.name, [])
    reason = await mission.until_waiting("service_unhealthy")
    assert reason["step"] == "plan"
    for part in ("'plan'", clinic.name, f"{clinic.service.url}health", "HTTP 503", "no map yet"):
        assert part in reason["text"]
    assert (await mission.read())["status"] == "calculating"
    listed = (await site.get(f"/work-processes?type={clinic.name}"))["items"]
    assert [entry["code"] for entry in listed[0]["waitingReasons"]] == ["service_unhealthy"]
    assert clinic.service.count("POST") == 0
    clinic.well = True
    await mission.until("succeeded")
    assert (await mission.read())["waitingReasons"] == []
    assert clinic.service.count("POST") == 1
    assert len(await mission.events("work_process.waiting")) == 1


async def test_service_that_stays_unhealthy_fails_the_planning(site: Site) -> None:
    clinic = Clinic(site, well=False)
    await clinic.recipe(availabilityTimeout=1)
    mission = await site.mission(clinic.name, [])
    await mission.until("failed")
    failure = (await mission.read())["failure"]
    assert failure["code"] == "planning_failed"
    assert f"{clinic.service.url}health answered HTTP 503" in failure["text"]
    assert (await mission.statuses())[-2:] == ["planning_failed", "failed"]
    assert clinic.service.count("POST") == 0


async def test_cancel_ends_the_wait_at_once(site: Site) -> None:
    clinic = Clinic(site, well=False)
    await clinic.recipe()
    mission = await site.mission(clinic.name, [])
    await mission.until_waiting("service_unhealthy")
    await mission.cancel()
    await mission.until("canceled", timeout=5)
    assert (await mission.read())["waitingReasons"] == []
    assert clinic.service.count("POST") == 0


async def test_killed_worker_waits_on_in_the_next_one(site: Site) -> None:
    clinic = Clinic(site, well=False)
    await clinic.recipe()
    mission = await site.mission(clinic.name, [])
    reason = await mission.until_waiting("service_unhealthy")
    site.worker.kill()
    site.worker.start()
    clinic.well = True
    await mission.until("succeeded")
    (waiting,) = await mission.events("work_process.waiting")
    assert waiting["payload"]["waiting_reasons"][0]["since"] == reason["since"]
