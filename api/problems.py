"""Every error as problem+json (RFC 9457): what is wrong, with which field and value, and what to do about it."""

import json
import logging
import math
import reprlib
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.allowed_methods import allowed_methods
from missions.errors import PartUnavailable, TooLarge, UserError
from store.database import passes

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_SECRET_FIELDS = ("apikey", "password", "secret", "token")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(frozen=True)

    field: str | None = Field(description="path of the field, with dots", examples=["agentIds.0"])
    value: Any = Field(description="what was sent there, shortened", examples=["one"])
    detail: str = Field(examples=["Input should be a valid integer"])
    remedy: str = Field(examples=["send a valid integer"])


class Problem(BaseModel):
    """RFC 9457 problem details; `errors` names each field, its value and the remedy."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = Field(examples=["Invalid input"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["agentIds.0: Input should be a valid integer"])
    errors: list[FieldProblem] = Field(default_factory=list)
    part: str | None = Field(None, description="with 503: the part that does not answer")
    trace_id: str | None = Field(None, serialization_alias="traceId", description="with 500: find it in the log")


class PreconditionFailed(UserError):
    """The resource is not the version that the client has seen."""

    status = 412
    title = "Precondition failed"


class Refused(UserError):
    """Several things are wrong with one document; all are told at once."""

    status = 422
    title = "Invalid input"

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors[:20]))
        self.errors = errors


_WORDS = {
    400: "malformed request",
    401: "no valid bearer token",
    404: "no such resource",
    409: "the present state forbids it",
    410: "archived: no more in the log",
    412: "changed since you read it",
    413: "the body is over the limit",
    415: "the body has a form that is not read",
    422: "invalid input",
    503: "a part does not answer",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route, for OpenAPI; 401 and 503 may always come."""
    return {
        status: {
            "description": _WORDS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 401, 503})
    }


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response; ASCII, so that half a surrogate pair can be shown too."""
    body = json.dumps(problem.model_dump(mode="python", by_alias=True, exclude_none=True) | _errors(problem))
    return Response(body, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _errors(problem: Problem) -> dict[str, Any]:
    # A null value is part of what went wrong, so it stays.
    return {"errors": [error.model_dump() for error in problem.errors]} if problem.errors else {}


def shown(value: object, field: str | None = None) -> Any:
    """A value as an error may repeat it: short, plain JSON, no secrets."""
    if field is not None and field.rpartition(".")[2].lower() in _SECRET_FIELDS:
        return "(not shown)"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and len(value) <= 200:
        return str(value)
    if isinstance(value, list) and len(value) <= 10 and all(isinstance(item, int | str) for item in value):
        return [shown(item) for item in value]
    return _short.repr(value)


def install(app: FastAPI) -> None:
    """Let the app answer every error as a problem, and describe it."""
    describe = app.openapi

    def with_problem() -> dict[str, Any]:
        document = describe()
        schema = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
        _describe_invalid_input(document)
        return document

    app.openapi = with_problem  # type: ignore[method-assign]
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(PartUnavailable, _part_unavailable)
    app.add_exception_handler(asyncpg.PostgresError, _database_error)
    app.add_exception_handler(asyncpg.InterfaceError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def _describe_invalid_input(document: dict[str, Any]) -> None:
    """The framework describes a 422 of its own where a route names none; ours are problems everywhere."""
    for item in document["paths"].values():
        for operation in item.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                operation["responses"]["422"] = responses(422)[422]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)


async def _user_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    if isinstance(error, Refused):
        errors = list(error.errors)
    else:
        value = shown(error.value, error.field)
        errors = [FieldProblem(field=error.field, value=value, detail=error.detail, remedy=error.remedy)]
    return problem_response(Problem(title=error.title, status=error.status, detail=error.detail, errors=errors))


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        place = found[0]["loc"][-1]
        detail = f"the body is no JSON: {found[0]['ctx']['error']} at character {place}"
        item = FieldProblem(field=None, value=None, detail=detail, remedy="send one JSON document")
        return problem_response(Problem(title="Bad request", status=400, detail=detail, errors=[item]))
    errors = list(field_problems(found))
    detail = "; ".join(f"{item.field or 'body'}: {item.detail}" for item in errors[:5])
    return problem_response(Problem(title="Invalid input", status=422, detail=detail, errors=errors[:50]))


def field_problems(found: Sequence[Any], *, skip: int = 1) -> Iterator[FieldProblem]:
    """Pydantic's errors as field, value and remedy; `skip`: how many leading parts of a place are ours (`body`)."""
    for item in found:
        field = ".".join(str(part) for part in item["loc"][skip:]) or None
        if item["type"] == "model_attributes_type" and isinstance(item["input"], bytes):
            # Without the header the body is not read, so it arrives as it is.
            yield _not_sent_as_json()
            continue
        message = item["msg"].removeprefix("Value error, ")
        detail, _, remedy = message.partition("; ")
        yield FieldProblem(
            field=field,
            value=None if item["type"] == "missing" else shown(item["input"], field),
            detail=detail,
            remedy=remedy or _remedy(item["type"], detail),
        )


def _not_sent_as_json() -> FieldProblem:
    return FieldProblem(
        field=None,
        value=None,
        detail="the body was not sent as JSON",
        remedy="send the header `Content-Type: application/json`",
    )


def _remedy(kind: str, detail: str) -> str:
    if kind == "missing":
        return "add it"
    if kind == "extra_forbidden":
        return "remove it: this field is not known here (see /docs for those that are)"
    if kind in ("model_attributes_type", "model_type", "dict_type"):
        return "send a JSON object"
    wanted = detail.partition(" should ")[2].partition(", unable to parse")[0]
    verb, _, rest = wanted.partition(" ")
    if verb == "be" and rest.startswith(("a ", "an ")):
        return f"send {rest}"
    is_so = {"be": "is", "match": "matches the", "have": "has"}.get(verb, verb)
    return f"send a value that {is_so} {rest}" if wanted else "correct it"


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = error.detail
    if error.status_code == TooLarge.status:
        return problem_response(too_large(detail), error.headers)
    if error.status_code == 400 and isinstance(error.__cause__, RecursionError | ValueError):
        return problem_response(_unreadable(error.__cause__))
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {_short.repr(request.url.path)}; /docs lists what there is"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here; /docs lists what is"
        allowed = allowed_methods(request.app, request.url.path)
        return problem_response(
            Problem(title=title, status=405, detail=detail), {"Allow": allowed} if allowed else error.headers
        )
    return problem_response(Problem(title=title, status=error.status_code, detail=detail), error.headers)


def too_large(detail: str) -> Problem:
    """A body over the limit. `detail`: what is wrong; and the remedy, after a semicolon."""
    said, _, remedy = detail.partition("; ")
    item = FieldProblem(field=None, value=None, detail=said, remedy=remedy)
    return Problem(title=TooLarge.title, status=TooLarge.status, detail=detail, errors=[item])


def _unreadable(cause: RecursionError | ValueError) -> Problem:
    detail, remedy = "the body is JSON nested too deeply to be read", "send lists and objects of fewer levels"
    if isinstance(cause, UnicodeDecodeError):
        detail, remedy = f"the body is no UTF-8: {cause.reason} at byte {cause.start}", "send JSON in UTF-8"
    elif isinstance(cause, ValueError):
        digits = sys.get_int_max_str_digits()
        detail, remedy = f"the body holds a number of more than {digits} digits", "send shorter numbers"
    item = FieldProblem(field=None, value=None, detail=detail, remedy=remedy)
    return Problem(title="Bad request", status=400, detail=detail, errors=[item])


async def _part_unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, PartUnavailable)
    logger.error("%s does not answer: %s", error.part, error.cause)
    return unavailable(error.part)


def unavailable(part: str) -> Response:
    """503, naming the part, without its cause: that may hold addresses."""
    detail = f"{part} does not answer; try again (GET /health/ready tells about every part)"
    problem = Problem(title="Service unavailable", status=503, detail=detail, part=part)
    return problem_response(problem, {"Retry-After": "1"})


async def _database_error(request: Request, error: Exception) -> Response:
    if passes(error):
        logger.error("PostgreSQL does not answer: %s", error)
        return unavailable("PostgreSQL")
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    trace_id = secrets.token_hex(8)
    logger.error("unexpected error, trace %s, %s %s", trace_id, request.method, request.url.path, exc_info=error)
    detail = f"an error of ours; the log has it under trace id {trace_id}"
    return problem_response(Problem(title="Internal error", status=500, detail=detail, trace_id=trace_id))
