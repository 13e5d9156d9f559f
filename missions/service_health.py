"""Whether a service says that it is well: which address is asked, and what was heard."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}


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

    @property
    def at_the_service(self) -> bool:
        """Whether the service itself is asked: its key goes to no other host."""
        return _origin(self.url) == _origin(self.service_url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


@dataclass(frozen=True)
class Health:
    """What a health endpoint answered. Healthy: any status of 2xx."""

    healthy: bool
    text: str
    at: datetime
