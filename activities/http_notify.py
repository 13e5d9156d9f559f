"""Activity type `http_notify`: tell another system that a mission has come this far."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from activities.activity_types import ActivityFailed, Preset, StepContext, activity_type
from missions.http_headers import HeaderName, HeaderValue


class HttpNotifyInput(BaseModel):
    """Where to, and what to say."""

    model_config = ConfigDict(extra="forbid")

    url: HttpUrl
    message: str = Field("", max_length=10_000)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)


@activity_type("http_notify", preset=Preset.CALL)
async def http_notify(notice: HttpNotifyInput, context: StepContext) -> dict[str, Any]:
    """POST a JSON notice about the mission to a URL."""
    response = await context.http.post(
        str(notice.url),
        json={
            "workProcessId": context.work_process_id,
            "step": context.step,
            "message": notice.message,
            "data": context.request,
        },
        headers={"Idempotency-Key": context.idempotency_key} | notice.headers,
    )
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        response.raise_for_status()  # the engine tries again
    if response.is_error:
        raise ActivityFailed(f"{notice.url} answered HTTP {response.status_code}", url=str(notice.url))
    return {"results": [], "notified": response.status_code}
