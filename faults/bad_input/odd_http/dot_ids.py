"""Ids in paths that are steps up or on the spot to clients and proxies: here they are ids, of nothing that is there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from faults.bad_input.furniture import PLATFORM
from faults.bad_input.odd_http.request import JSON, Case, request, with_token

_DOTS = (".", "..", "%2e", "%2e%2e", "%252e%252e", "..%2f1")
_THERE = {"platform": PLATFORM, "missionId": "m1"}
"""What stands in the other parameters of a path; in most it is a number."""
_NO_METHOD = "trace"
_PARAMETER = re.compile(r"\{(\w+)\}")
_NOTHING_THERE = frozenset({404, 405, 422})


def dot_ids(token: str, description: Mapping[str, Any]) -> Iterator[Case]:
    """Of each address of the API; `description`: its OpenAPI document."""
    own = with_token(token) | {"Content-Type": JSON}
    for template, operations in description["paths"].items():
        for path in _with_dots(template):
            for method in (*operations, _NO_METHOD):
                content = request(method.upper(), path, own, b"{}")
                yield Case(f"{method.upper()} {path}", content, _NOTHING_THERE)


def _with_dots(template: str) -> Iterator[str]:
    """The dots in each parameter in turn."""
    parameters = _PARAMETER.findall(template)
    for odd in parameters:
        there = {name: _THERE.get(name, "1") for name in parameters}
        for dots in _DOTS:
            yield template.format_map(there | {odd: dots})
