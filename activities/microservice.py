"""Activity type `microservice`: ask a planner or another service, and poll it until it has an answer (spec 2)."""

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from activities.activity_types import ActivityFailed, Preset, Service, StepContext, activity_type
from activities.answer_bodies import TooLarge, Unreadable, read_body
from activities.heartbeats import beating
from missions.errors import Failure, FailureCode, PlanningFailed
from missions.nesting import MAX_DEPTH, too_deep
from missions.planner_answers import PlannerAnswer, read_answer
from missions.statuses import ServiceRequestStatus

logger = logging.getLogger("muster.microservice")

# A fault of the way to the service, not of the request: another try may help.
_RETRIED = frozenset({429, 502, 503, 504})

# How long a cancel waits for the answer to a POST under way, in seconds: without the job's id nobody could tell the
# service to stop. A worker that is being stopped waits as long.
_GRACE = 10.0

_T = TypeVar("_T")


class _Fault(Exception):
    """A fault of the way to the service."""


class MicroserviceInput(BaseModel):
    """Which service. The request itself is the mission's data with its context."""

    model_config = ConfigDict(extra="forbid")

    service_type: str = Field(min_length=1, description="type of an enabled service")
    service_config: dict[str, Any] | None = Field(None, description="replaces the service's config")


@activity_type("microservice", preset=Preset.LONG)
async def microservice(request: MicroserviceInput, context: StepContext) -> dict[str, Any]:
    """Call a registered service and wait for its answer."""
    service = context.service
    if service is None:
        raise ActivityFailed(f"step {context.step!r}: no service of type {request.service_type!r} was enabled")
    if service.is_dummy:
        return _dummy_answer(context)
    async with beating():
        return await _Call(context, service).answer()


def _dummy_answer(context: StepContext) -> dict[str, Any]:
    """A dummy service answers with its request; one that is no answer becomes every mission agent's assignment."""
    request = context.request if isinstance(context.request, dict) else {"data": context.request}
    if "results" in request or "result" in request:
        return {"status": "ready", **request}
    agents = context.context["mission"]["agent_ids"]
    return {"status": "ready", "results": [{"agent_id": agent, "assignment": request} for agent in agents]}


class _Call:
    """One step's conversation with its service."""

    def __init__(self, context: StepContext, service: Service) -> None:
        self._context = context
        self._service = service
        self._deadline = time.monotonic() + context.timeout - context.elapsed
        self._headers = {"Accept": "application/json", "Idempotency-Key": context.idempotency_key}
        if service.api_key:
            self._headers["x-api-key"] = service.api_key
        self._body = json.dumps(
            {
                "request": context.request,
                "context": context.context,
                **({} if context.config is None else {"config": context.config}),
            }
        ).encode()

    async def answer(self) -> dict[str, Any]:
        """The service's final answer; raises PlanningFailed."""
        if self._context.job_id is not None:
            return self._settled(await self._poll(self._context.job_id))
        # The pauses between two tries end at a cancel; a POST that is under way must not lose its job's id.
        first = await self._retried(lambda: _then_cancelled(self._submit()))
        if first.status is not ServiceRequestStatus.PENDING:
            return self._settled(first)
        if not first.request_uid:
            raise self._failed("answered `pending` without a request_id, so it cannot be polled")
        await self._sleep(self._context.settings.planner_poll_initial)
        return self._settled(await self._poll(self._context.job_id or first.request_uid))

    async def _submit(self) -> PlannerAnswer:
        body = await self._exchange("POST", self._service.url, required=True)
        first = read_answer(body, step=self._context.step, url=self._service.url)
        uid = first.request_uid
        if first.status is ServiceRequestStatus.PENDING and uid and not await self._context.save_job(uid):
            await cancel_job(self._context.http, self._service.url, self._service.api_key, uid)
            raise asyncio.CancelledError
        return first

    async def _poll(self, job: str) -> PlannerAnswer:
        # Asked before the deadline is looked at: after an outage the answer may have been there for long.
        settings = self._context.settings
        pause = settings.planner_poll_initial
        while True:
            body = await self._retried(lambda: self._exchange("GET", job_url(self._service.url, job), required=False))
            if body is not None:  # an empty answer to a poll says nothing
                answer = read_answer(body, step=self._context.step, url=self._service.url)
                if answer.status is not ServiceRequestStatus.PENDING:
                    return answer
            await self._sleep(pause)
            pause = min(pause * 1.5, settings.planner_poll_max)

    def _settled(self, answer: PlannerAnswer) -> dict[str, Any]:
        if answer.status is ServiceRequestStatus.READY:
            return dict(answer.body)
        said = _excerpt(json.dumps(answer.body, ensure_ascii=False, default=str))
        raise self._failed(f"ended the job as {answer.status.value!r}: {said}")

    async def _retried(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """What the call returns, tried again after faults of the way."""
        pause = 0.5
        while True:
            try:
                return await call()
            except _Fault as error:
                fault = str(error)
            await self._sleep(pause * random.uniform(0.5, 1.5), fault)
            pause = min(pause * 2, 10.0)

    async def _exchange(self, method: str, url: str, *, required: bool) -> Any:
        """One request; the JSON body, or None if it is empty. Raises _Fault."""
        try:
            status, content = await self._send(method, url)
        except TimeoutError as error:
            raise _Fault("its answer does not come to an end") from error
        except httpx.TransportError as error:
            raise _Fault(f"{type(error).__name__}: {error}") from error
        except (httpx.InvalidURL, ValueError) as error:  # of the job's id or the key; checked when they are stored now
            raise self._failed(f"cannot be asked ({type(error).__name__}: {error})") from error
        except TooLarge:
            limit = self._context.settings.max_response_bytes
            raise self._failed(f"answered more than {limit} bytes (setting MUSTER_MAX_RESPONSE_BYTES)") from None
        except (Unreadable, httpx.RequestError) as error:  # it has answered, and would answer so again
            raise self._failed(f"answered what cannot be read ({type(error).__name__}: {error})") from error
        if status in _RETRIED:
            raise _Fault(f"HTTP {status}")
        return self._read(status, content, required=required)

    async def _send(self, method: str, url: str) -> tuple[int, bytes]:
        content, headers = None, self._headers
        # No call outlasts the step; a late one gets a second, since the answer may be there.
        left = max(self._deadline - time.monotonic(), 1.0)
        longest = self._context.settings.planner_request_timeout
        timeout = httpx.Timeout(longest, read=min(longest, left))
        if method == "POST":
            content, headers = self._body, self._headers | {"Content-Type": "application/json"}
            timeout.read = left  # a service may take the step's whole time for its answer
        async with (
            # httpx's are for one read each; an answer in drops, or after any number of `100 Continue`, passes them.
            asyncio.timeout(timeout.read),
            self._context.http.stream(method, url, headers=headers, timeout=timeout, content=content) as response,
        ):
            return response.status_code, await read_body(response, self._context.settings.max_response_bytes)

    def _read(self, status: int, content: bytes, *, required: bool) -> Any:
        if status >= 300:  # redirections are not followed: they lead where nobody configured
            raise self._failed(f"answered HTTP {status}: {_excerpt(content.decode(errors='replace'))}")
        if not content.strip():
            if required:
                raise self._failed(f"answered HTTP {status} with an empty body")
            return None
        try:
            value = json.loads(content, parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise self._no_json(error.reason, content) from None
        except ValueError as error:
            raise self._no_json(_excerpt(str(error)), content) from None
        except RecursionError:
            raise self._too_deep() from None
        if too_deep(value):
            raise self._too_deep()
        return value

    def _too_deep(self) -> ActivityFailed:
        return self._failed(f"answered JSON that is nested deeper than {MAX_DEPTH} levels")

    def _no_json(self, why: str, content: bytes) -> ActivityFailed:
        return self._failed(f"answered no JSON ({why}): {_excerpt(content.decode(errors='replace'))}")

    async def _sleep(self, seconds: float, fault: str = "the job is still pending") -> None:
        left = self._deadline - time.monotonic()
        if left <= seconds:
            await asyncio.sleep(max(left, 0))
            raise PlanningFailed(
                Failure(
                    code=FailureCode.PLANNER_TIMEOUT,
                    step=self._context.step,
                    url=self._service.url,
                    text=f"step {self._context.step!r}: the service at {self._service.url} gave no result within"
                    f" {self._context.timeout:g} s ({fault})",
                )
            )
        await asyncio.sleep(seconds)

    def _failed(self, problem: str) -> ActivityFailed:
        return ActivityFailed(
            f"step {self._context.step!r}: the service at {self._service.url} {problem}", url=self._service.url
        )


def job_url(url: str, job: str) -> str:
    """Where a service's job is polled and stopped: address + id as in helyOS, so `…/plan?job=` and `…/job-` work.

    A slash comes between only where the address ends with a letter or digit of its path.
    """
    parts = urlsplit(url)
    between = "/" if "?" not in url and (not parts.path or parts.path[-1].isalnum()) else ""
    return f"{url}{between}{quote(job, safe=':')}"


async def cancel_job(http: httpx.AsyncClient, url: str, api_key: str | None, job: str) -> None:
    """Tell a service to stop a job (DELETE); its answer changes nothing, since the mission goes on without it."""
    headers: Mapping[str, str] = {"x-api-key": api_key} if api_key else {}
    try:
        async with asyncio.timeout(2):
            await http.delete(job_url(url, job), headers=headers)
    except Exception as error:  # whatever is wrong with the address, the key or the answer: no cancel may hang on it
        logger.warning("the service at %s was not told to stop its job: %s: %s", url, type(error).__name__, error)


async def _then_cancelled(work: Coroutine[Any, Any, _T]) -> _T:
    """Give the work `_GRACE` seconds to finish if a cancel comes, and be cancelled only then."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_GRACE)
        raise
    finally:
        task.cancel()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _excerpt(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
