"""Whether a service says that it is well: which address is asked, and what was heard."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin


@dataclass(frozen=True)
class HealthTarget:
    """A service with a health endpoint: an address of its own, or a path that is joined to the service's address."""

    service_id: int
    service_url: str
    endpoint: str

    @property
    def url(self) -> str:
        """The address that is asked (GET)."""
        return urljoin(self.service_url, self.endpoint)


@dataclass(frozen=True)
class Health:
    """What a health endpoint answered. Healthy: any status of 2xx."""

    healthy: bool
    text: str
    at: datetime
