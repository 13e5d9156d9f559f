"""`queue.*`, `recipe.*`, `service.*`, `yard.*`: what missions are made of, and where they happen."""

from typing import Annotated, Literal

from pydantic import Field

from missions.event_payloads.base import Payload
from missions.events import Action

WhatBecame = Annotated[Action, Field(description="what became of it", examples=["updated"])]
YardId = Annotated[int, Field(description="id of the yard", examples=[1])]
YardUid = Annotated[str, Field(description="uid of the yard", examples=["north"])]
ServiceId = Annotated[int, Field(description="id of the service", examples=[1])]
ServiceName = Annotated[str, Field(description="name of the service", examples=["planner"])]


class QueueLimitsChanged(Payload):
    """So many missions without agents may run at once now."""

    overall: int | None = Field(description="of all recipes together; null: without limit", examples=[20])
    before: int | None = Field(description="the same before", examples=[None])


class RecipeChanged(Payload):
    """A recipe was created, changed or deleted."""

    recipe_id: int = Field(description="id of the recipe", examples=[1])
    name: str = Field(description="name of the recipe", examples=["driving"])
    action: WhatBecame


class ServiceChanged(Payload):
    """A service was registered, changed or deleted."""

    service_id: ServiceId
    name: ServiceName
    action: WhatBecame


class ServiceHealthChanged(Payload):
    """A service's health check says another thing than before."""

    service_id: ServiceId
    name: ServiceName
    status: Literal["healthy", "unhealthy"] = Field(description="its health now", examples=["unhealthy"])
    url: str = Field(description="what was asked", examples=["http://planner:9000/health"])
    text: str = Field(description="what it answered", examples=["answered 503"])


WebhookId = Annotated[int, Field(description="id of the webhook", examples=[1])]
WebhookUrl = Annotated[str, Field(description="where it sends events", examples=["https://example.com/muster"])]


class WebhookChanged(Payload):
    """A webhook was made, changed or deleted."""

    webhook_id: WebhookId
    url: WebhookUrl
    action: WhatBecame


class WebhookDisabled(Payload):
    """A webhook gets no more events until somebody enables it."""

    webhook_id: WebhookId
    url: WebhookUrl
    reason: str = Field(description="why", examples=["the receiver answered 410"])


class YardChanged(Payload):
    """A yard was created, changed or deleted."""

    yard_id: YardId
    yard_uid: YardUid
    action: WhatBecame


class YardMapUpdated(Payload):
    """The map of a yard changed: by a client, an agent, or a mission's map server."""

    yard_id: YardId
    yard_uid: YardUid
    action: WhatBecame
    map_objects: int = Field(description="how many map objects this is about", examples=[1], ge=0)
    map_object_id: int | None = Field(None, description="its id, if it is one", examples=[12])
    step: str | None = Field(None, description="the mission's step whose answer it is", examples=[None])
    changed: list[str] = Field(default_factory=list, description="the yard's own fields that changed", examples=[[]])
    replaced: bool = Field(False, description="whether all map objects before were removed", examples=[False])
