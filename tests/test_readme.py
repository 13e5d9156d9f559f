"""The README says what is true: its diagram, its commands, its links."""

import json
import re
from pathlib import Path

from api.models.work_processes import WorkProcessCreate
from examples.crew import YARD
from examples.fleet import TRUCKS
from missions.transitions import work_process_diagram

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_status_diagram_is_the_one_of_the_transition_table() -> None:
    _, _, rest = README.partition("<!-- status diagram: generated -->\n")
    drawn, _, _ = rest.partition("<!-- /status diagram -->")
    assert drawn == f"```mermaid\n{work_process_diagram()}```\n", "paste missions.transitions.work_process_diagram()"


def test_its_table_of_commands_is_the_makefiles() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [f"| `make {name}` | {what} |" for name, what in targets] == re.findall(
        r"^\| `make .*$", README, re.MULTILINE
    )


def test_its_links_lead_somewhere() -> None:
    places = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_its_mission_is_one_that_the_api_takes_and_the_demo_fleet_can_do() -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)
    mission = WorkProcessCreate.model_validate_json(body)
    assert mission.yard_uid == YARD
    assert set(mission.agent_uuids) <= set(TRUCKS)
    assert f"name: {json.loads(body)['workProcessTypeName']}\n" in (ROOT / "examples" / "recipes.yaml").read_text()
