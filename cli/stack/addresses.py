"""Where the parts of a stack are found, and how child processes and tests are told."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Addresses(BaseModel):
    """Resolved addresses. Empty: not known (a part that was given from outside may lack a UI)."""

    model_config = ConfigDict(frozen=True)

    database_url: str
    amqp_url: str
    amqp_management_url: str
    temporal_address: str
    temporal_ui_url: str = ""
    mqtt_url: str = ""

    def environment(self) -> dict[str, str]:
        """The variables by which `Settings` and `temporalio.envconfig` find these addresses."""
        return {
            "MUSTER_DATABASE_URL": self.database_url,
            "MUSTER_AMQP_URL": self.amqp_url,
            "MUSTER_AMQP_MANAGEMENT_URL": self.amqp_management_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "MUSTER_TEMPORAL_UI_URL": self.temporal_ui_url,
        }


def management_url_of(amqp_url: str) -> str:
    """The management API's usual place for a broker: same host and login, port 15672."""
    parts = urlsplit(amqp_url)
    login = f"{parts.username}:{parts.password}@" if parts.username else "guest:guest@"
    return f"http://{login}{parts.hostname or '127.0.0.1'}:15672"


def without_password(url: str) -> str:
    """The same address, fit for the screen."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"{parts.username}:***@{parts.hostname}{port}").geturl()
