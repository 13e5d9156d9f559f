"""helyOS's own integration scenarios against Muster, with two SDK agents; messages are counted on the broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from cli.stack.addresses import Addresses
from tests.support.site import Mission, Site, SiteAgent, running_site, until
from tests.support.tap import Tap, tapped

_KINDS = {
    "reserves": "reserve_for_mission",
    "assignments": "assignment_execution",
    "cancels": "assignment_cancel",
    "releases": "release_from_mission",
}


@dataclass
class Scene:
    """A site, its tap and two agents."""

    site: Site
    tap: Tap
    first: SiteAgent
    second: SiteAgent
    figures: dict[str, str] = field(default_factory=dict)

    async def expect(self, mission: Mission, agent: SiteAgent | None = None, **counts: int) -> None:
        """Wait until the broker has carried exactly so many messages of each kind: `reserves=1, releases=1`."""
        uuid = None if agent is None else agent.uuid

        async def seen() -> bool:
            return all(self.tap.count(_KINDS[name], mission.id, uuid) >= count for name, count in counts.items())

        await until(seen, 10, lambda: str(self._counted(mission, uuid)))
        found = self._counted(mission, uuid)
        assert {name: found[name] for name in counts} == counts
        whose = f" ({'first' if agent is self.first else 'second'})" if agent else ""
        self.figures |= {name + whose: str(count) for name, count in counts.items()}

    def _counted(self, mission: Mission, uuid: str | None) -> dict[str, int]:
        return {name: self.tap.count(kind, mission.id, uuid) for name, kind in _KINDS.items()}

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
    for agent in (made.first, made.second):
        agent.process.stop()
