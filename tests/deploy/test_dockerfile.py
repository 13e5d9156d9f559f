"""The Dockerfile, as it is written; its steps are run in the conformance."""

import re
import tomllib

import pytest
import yaml

from settings import Settings
from tests.support.dockerfile import ROOT, stages


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
