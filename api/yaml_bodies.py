"""Mission files as bodies of requests: the YAML itself, with all else in the query, or all of it in JSON."""

import json
from typing import Any, TypeVar

from fastapi import HTTPException
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from missions.errors import UserError
from missions.requests import Request

_EXAMPLE = """\
mission:
  - instrumentID: ['PRE:CTD_1']
    schedule: {startTime: 2026-07-18T00:00:00}
    missionSequence:
      - command: PRE:CTD_1, execute_resource(ACQUIRE_SAMPLE)
"""

Options = TypeVar("Options", bound=Request)


class UnsupportedMedia(UserError):
    """A body in a form that is not read."""

    status = 415
    title = "Unsupported media type"


def yaml_or_json(form: type[Request]) -> dict[str, Any]:
    """The OpenAPI description of such a body. `form`: of the JSON."""
    text = {"schema": {"type": "string"}, "example": _EXAMPLE}
    schema = form.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)  # the query has the same fields, so they are among the components
    kinds = ("application/yaml", "text/yaml", "text/plain")
    content = {**dict.fromkeys(kinds, text), "application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


async def read_file(
    request: HttpRequest, query: Request, options: type[Options], form: type[Options], field: str
) -> tuple[str | bytes, Options]:
    """The mission file, and what is said beside it; what the query says counts before the body's.

    `options`: what YAML needs beside it; `form`: the same for JSON, with the file in its `field`.
    Raises RequestValidationError, HTTPException (400) and UnsupportedMedia.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        raise _no_forms(request.url.path, kind, options)
    body = await request.body()
    said = query.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if kind != "application/json" and not kind.endswith("+json"):
        return body, _checked(options, said, "query")
    document = _json(body)
    sent = _checked(form, document | said if isinstance(document, dict) else document, "body")
    return getattr(sent, field), sent


def _no_forms(path: str, kind: str, options: type[Request]) -> UnsupportedMedia:
    needed = "&".join(f"{item.alias}=ID" for item in options.model_fields.values() if item.is_required())
    address = f"{path}?{needed}" if needed else path
    return UnsupportedMedia(
        "forms are not read here",
        field="Content-Type",
        value=kind,
        remedy=f"send the file itself: curl --data-binary @FILE '…{address}' (not `-F`)",
    )


def _checked(model: type[Options], said: Any, place: str) -> Options:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        found = [item | {"loc": (place, *item["loc"])} for item in error.errors()]
    for item in found:
        if place == "query" and item["type"] == "missing":
            item["msg"] = (
                f"is missing; send the file with ?{item['loc'][-1]}=… in the address, or all of it as JSON with the"
                " header `Content-Type: application/json`"
            )
    raise RequestValidationError(found)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        wrong = {
            "type": "json_invalid",
            "loc": ("body", error.pos),
            "msg": "",
            "input": {},
            "ctx": {"error": error.msg},
        }
        raise RequestValidationError([wrong]) from None
    except (RecursionError, ValueError) as error:  # no UTF-8; a number of thousands of digits
        raise HTTPException(400, "the body cannot be read") from error
