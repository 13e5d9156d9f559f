"""Query parameters that an address does not know are refused, as unknown fields of a body are."""

from collections.abc import Mapping
from functools import cache

from fastapi import FastAPI, Request
from pydantic.alias_generators import to_camel

from api.problems import FieldProblem, Refused, shown

_Known = Mapping[str, bool]
"""The names, and whether each may come more than once."""


async def refuse_unknown_query(request: Request) -> None:
    """Raise Refused for parameters that the route's description does not name, or that are given too often."""
    if not request.query_params:
        return
    known = _query_names(request.app)[f"/api/v1{request.scope['route'].path}", _described(request.method)]
    # As in bodies, `agent_id` is `agentId`.
    unknown = [name for name in request.query_params if name not in known and to_camel(name) not in known]
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        given.setdefault(name if name in known else to_camel(name), []).append(value)
    repeated = [name for name, values in given.items() if len(values) > 1 and not known.get(name, True)]
    wrong = [_unknown(name, request.query_params[name], known) for name in unknown]
    wrong += [_repeated(name, given[name]) for name in repeated]
    if wrong:
        raise Refused(wrong[:50])


def _described(method: str) -> str:
    return "get" if method == "HEAD" else method.lower()


def _unknown(name: str, value: str, known: _Known) -> FieldProblem:
    return FieldProblem(
        field=name,
        value=shown(value, name),
        detail="is no query parameter of this address",
        remedy=f"use one of: {', '.join(known)}" if known else "remove it: there are none",
    )


def _repeated(name: str, values: list[str]) -> FieldProblem:
    return FieldProblem(
        field=name,
        value=shown(values, name),
        detail=f"is given {len(values)} times, and takes one value",
        remedy="send it once, and ask once for each value",
    )


@cache
def _query_names(app: FastAPI) -> dict[tuple[str, str], _Known]:
    """By path and method, from the description that clients read too."""
    return {
        (path, method): {
            each["name"]: each["schema"].get("type") == "array"
            for each in operation.get("parameters", [])
            if each["in"] == "query"
        }
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }
