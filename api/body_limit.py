"""No body over the limit is ever held in memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, problem_response, too_large


class BodyLimit:
    """ASGI middleware: 413 by the declared length, or as soon as the streamed bytes pass the limit.

    Starlette's own limit answers plain text, and replaces our problem+json by it.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
            await problem_response(self._problem(), {"Connection": "close"})(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                # Only this exception passes through the framework's reading of a body.
                raise HTTPException(413, self._problem().detail, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    def _problem(self) -> Problem:
        return too_large(f"the body is over {self._limit} bytes; send less, or raise MUSTER_MAX_BODY_BYTES")
