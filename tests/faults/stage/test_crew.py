"""When the agents of a process are there."""

from pathlib import Path

from faults.stage.crew import PROBING, Crew, bystanders, probes
from faults.stage.journal import Journal


def test_a_process_is_there_when_all_its_agents_listen_in_its_present_life(tmp_path: Path) -> None:
    crew = Crew(tmp_path)
    journal = Journal(crew.journal(PROBING))
    for uuid in (*probes(), *bystanders()):
        assert not crew.is_there(PROBING, 0)
        journal.write(uuid, "listens")
    assert crew.is_there(PROBING, 0)
    second_life = crew.written(PROBING)
    assert not crew.is_there(PROBING, second_life)
    journal.write("", "started", agents=probes())
    assert not crew.is_there(PROBING, second_life)
