"""Asks the API that runs here, or the one that is named."""

from typing import Any

import httpx

from api.token import token_file
from settings import Settings

from .stack.lock import holder
from .stack.ports import Ports

_PATIENCE = 60.0


class CannotAsk(Exception):
    """Why nothing was sent, or nobody answered, and what to do."""


def post(settings: Settings, path: str, **given: Any) -> httpx.Response:
    """Its answer, be it a refusal; raises CannotAsk. `given`: as httpx takes it."""
    url = _api_url(settings)
    given["headers"] = {"Authorization": f"Bearer {_token(settings)}", **given.get("headers", {})}
    try:
        with httpx.Client(trust_env=False, timeout=_PATIENCE) as http:
            answer = http.post(f"{url}/api/v1{path}", **given)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotAsk(
            f"The API at {url} does not answer ({error}). `muster up` starts one; MUSTER_API_URL names another."
        ) from None
    if "json" not in answer.headers.get("content-type", ""):
        raise CannotAsk(f"What answers at {url} is not Muster's API (status {answer.status_code}): see MUSTER_API_URL.")
    return answer


def _token(settings: Settings) -> str:
    given = settings.api_token.get_secret_value()
    file = token_file(settings)
    if not given and not file.exists():
        raise CannotAsk(f"No token: set MUSTER_API_TOKEN, or start a stack that makes {file} (`muster up`).")
    return given or file.read_text().strip()


def _api_url(settings: Settings) -> str:
    """The address that was given, else where the stack of this folder has its API."""
    folder = settings.data_dir.expanduser().resolve()
    port = Ports(folder / "ports.json").remembered("api") if holder(folder) else 0
    if settings.api_url or not port:
        return settings.public_api_url.rstrip("/")
    return f"http://{'127.0.0.1' if settings.api_host == '0.0.0.0' else settings.api_host}:{port}"
