"""`service_request.*`: one step of a mission and the request to its service."""

from pydantic import Field

from missions.event_payloads.base import Payload
from missions.statuses import ServiceRequestStatus


class ServiceRequestStatusChanged(Payload):
    """A step's request has another status."""

    service_request_id: int = Field(description="id of the service request; each attempt has its own", examples=[5])
    step: str = Field(description="the step of the recipe", examples=["plan"])
    uses: str = Field(description="activity type of the step", examples=["microservice"])
    service_type: str | None = Field(description="type of the service that is called", examples=["drive"])
    from_: ServiceRequestStatus = Field(
        validation_alias="from", serialization_alias="from", description="status before", examples=["pending"]
    )
    to: ServiceRequestStatus = Field(description="status now", examples=["ready"])
    request_uid: str | None = Field(None, description="the service's own id of a job, once pending", examples=["job-1"])
    reason: str | None = Field(None, description="why it failed", examples=[None])
