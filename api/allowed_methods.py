"""Which methods an address takes, for the `Allow` of a 405: the framework names only those of the first route."""

import re
from functools import cache

from fastapi import FastAPI
from starlette.routing import compile_path


def allowed_methods(app: FastAPI, path: str) -> str:
    """The methods of all routes at this path, as the header has them."""
    found = (methods for pattern, methods in _methods(app) if pattern.match(path))
    return ", ".join(sorted(set().union(*found)))


@cache
def _methods(app: FastAPI) -> list[tuple[re.Pattern[str], set[str]]]:
    """By path, from the description that clients read too."""
    return [
        (compile_path(path)[0], {method.upper() for method in item}) for path, item in app.openapi()["paths"].items()
    ]
