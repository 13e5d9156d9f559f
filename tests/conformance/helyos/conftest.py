"""helyOS's own integration scenarios against Muster, with two SDK agents; messages are counted on the broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from cli.stack.addresses import Addresses
from tests.support.site import ENDED, Mission, Site, SiteAgent, running_site, until
from tests.support.tap import Tap, tapped

_KINDS = {
    "reserves": "reserve_for_mission",
    "assignments": "assignment_execution",
    "cancels": "assignment_cancel",
    "releases": "release_from_mission",
}


@dataclass(frozen=True)
class Expected:
    """What the broker may carry of these missions, and no more."""

    missions: tuple[Mission, ...]
    agent: SiteAgent | None
    counts: dict[str, int]


@dataclass
class Scene:
    """A site, its tap and two agents."""

    site: Site
    tap: Tap
    first: SiteAgent
    second: SiteAgent
    figures: dict[str, str] = field(default_factory=dict)
    _expected: dict[tuple[object, ...], Expected] = field(default_factory=dict)

    async def expect(self, *missions: Mission, agent: SiteAgent | None = None, **counts: int) -> None:
        """Wait until the broker has carried exactly so many messages of each kind: `reserves=1, releases=1`.

        The last word on the same missions and agent is counted again at the end of the test.
        """
        expected = Expected(missions, agent, counts)

        async def seen() -> bool:
            found = self._counted(expected)
            return all(found[name] >= count for name, count in counts.items())

        await until(seen, 10, lambda: str(self._counted(expected)))
        self._check(expected)
        self._expected[*(mission.id for mission in missions), agent] = expected
        whose = f" ({'first' if agent is self.first else 'second'})" if agent else ""
        self.figures |= {name + whose: str(count) for name, count in counts.items()}

    async def nothing_more_was_sent(self) -> None:
        """Count again once the missions' runs are over: a message too many may come after its mission's end."""
        missions = {mission.id: mission for expected in self._expected.values() for mission in expected.missions}
        for mission in missions.values():
            if (await mission.read())["status"] in ENDED:
                await mission.run_status()
        await self.tap.caught_up()
        for expected in self._expected.values():
            self._check(expected)

    def _check(self, expected: Expected) -> None:
        found = self._counted(expected)
        assert {name: found[name] for name in expected.counts} == expected.counts

    def _counted(self, expected: Expected) -> dict[str, int]:
        uuid = None if expected.agent is None else expected.agent.uuid
        return {
            name: sum(self.tap.count(kind, mission.id, uuid) for mission in expected.missions)
            for name, kind in _KINDS.items()
        }

    async def all_free(self) -> None:
        """Wait until both agents are free and nobody's."""
        await self.first.until_status("free")
        await self.second.until_status("free")


@pytest.fixture(scope="session")
async def site(services: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(services, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="session")
async def tap(site: Site) -> AsyncIterator[Tap]:
    async with tapped(site.addresses) as open_tap:
        yield open_tap


@pytest.fixture
async def scene(request: pytest.FixtureRequest, site: Site, tap: Tap) -> AsyncIterator[Scene]:
    made = Scene(site, tap, await site.agent("--work", "0.2"), await site.agent("--work", "0.2"))
    yield made
    request.node.user_properties.append(
        ("figures", ", ".join(f"{name} {value}" for name, value in made.figures.items()))
    )
    try:
        await made.nothing_more_was_sent()
    finally:
        for agent in (made.first, made.second):
            agent.process.stop()
