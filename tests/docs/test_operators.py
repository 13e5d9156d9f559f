"""Every code that a mission may show has its line in docs/operators.md. The codes are read out of the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.end_attempt import RETRY
from missions.errors import FailureCode
from missions.statuses import AgentStatus
from store.service_health import SERVICE_UNHEALTHY
from store.slot_reasons import SLOT
from workflows.search_attributes import ALL_KEYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operators.md").read_text()


def explained(heading: str) -> set[str]:
    """The codes in the first column of the table below a heading."""
    _, found, rest = PAGE.partition(f"## {heading}\n")
    assert found, heading
    section, _, _ = rest.partition("\n## ")
    cells = re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
    return {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}


def waiting_reason_codes() -> set[str]:
    tree = ast.parse((ROOT / "store" / "waiting_reasons.py").read_text())
    named = ("_reason", "_not_listening", "_too_few")
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in named]
    codes: set[str] = set()
    for node in (node for function in functions for node in ast.walk(function)):
        if not isinstance(node, ast.Return) or not isinstance(node.value, ast.Tuple):
            continue
        code = node.value.elts[0]
        if isinstance(code, ast.JoinedStr):
            assert ast.unparse(code) == "f'agent_{row.status}'"
            codes |= {f"agent_{status}" for status in AgentStatus if status is not AgentStatus.FREE}
        else:
            codes.add(_text(code))
    return codes


def attention_codes() -> set[str]:
    files = [path for folder in ("workflows", "activities", "store") for path in (ROOT / folder).glob("*.py")]
    return {code for path in files for code in _raised(ast.parse(path.read_text()))}


def _raised(tree: ast.AST) -> Iterator[str]:
    """The literal codes of `RaiseAttention(code=…)`, of helpers that take one, and of entries written as they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            given = [k.value for k in node.keywords if k.arg == "code" and name == "RaiseAttention"]
            if name.lstrip("_").startswith("raise_") or ast.unparse(node.func) in ("attention.entry", "entry"):
                given += [arg for arg in node.args if isinstance(arg, ast.Constant)][:1]
            yield from (_text(value) for value in given if isinstance(value, ast.Constant))
        elif isinstance(node, ast.Dict):
            entry = {_text(key): value for key, value in zip(node.keys, node.values, strict=True) if key is not None}
            code = entry.get("code")
            if "since" in entry and isinstance(code, ast.Constant):
                yield _text(code)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def test_every_failure_is_explained() -> None:
    assert explained("Why a mission failed") == set(FailureCode)


def test_every_waiting_reason_is_explained() -> None:
    codes = waiting_reason_codes()
    assert "agent_reserved" in codes
    assert explained("Why a mission waits") == codes | {SERVICE_UNHEALTHY, RETRY, SLOT}


def test_every_attention_is_explained() -> None:
    codes = attention_codes()
    assert {"assignment_unconfirmed", "cancel_unconfirmed"} <= codes
    assert explained("What needs a person") == codes


@pytest.mark.parametrize("key", ALL_KEYS, ids=lambda key: key.name)
def test_every_search_attribute_is_explained(key: object) -> None:
    assert f"| `{key.name}` |" in PAGE  # type: ignore[attr-defined]
