"""Query parameters that an address does not know are refused, as unknown fields of a body are."""

from functools import cache

from fastapi import FastAPI, Request
from pydantic.alias_generators import to_camel

from api.problems import FieldProblem, Refused, shown


async def refuse_unknown_query(request: Request) -> None:
    """Raise Refused for parameters that the route's description does not name."""
    if not request.query_params:
        return
    known = _query_names(request.app)[f"/api/v1{request.scope['route'].path}", _described(request.method)]
    # As in bodies, `agent_id` is `agentId`.
    unknown = [name for name in request.query_params if name not in known and to_camel(name) not in known]
    if unknown:
        raise Refused([_unknown(name, request.query_params[name], known) for name in unknown[:50]])


def _described(method: str) -> str:
    return "get" if method == "HEAD" else method.lower()


def _unknown(name: str, value: str, known: list[str]) -> FieldProblem:
    return FieldProblem(
        field=name,
        value=shown(value, name),
        detail="is no query parameter of this address",
        remedy=f"use one of: {', '.join(known)}" if known else "remove it: there are none",
    )


@cache
def _query_names(app: FastAPI) -> dict[tuple[str, str], list[str]]:
    """By path and method, from the description that clients read too."""
    return {
        (path, method): [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }
