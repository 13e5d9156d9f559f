"""One odd request, in bytes."""

from dataclasses import dataclass

JSON, YAML = "application/json", "application/yaml"


@dataclass(frozen=True)
class Case:
    """What is sent on a connection of its own: a request that ends, or no HTTP at all."""

    name: str
    content: bytes
    statuses: frozenset[int] = frozenset()
    """It is answered by a problem of one of these; of none: by anything but a 5xx."""


def with_token(token: str) -> dict[str, str]:
    """The headers of a request that may ask, and is the only one on its connection."""
    return {"Authorization": f"Bearer {token}", "Connection": "close"}


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes; they have the body's length unless the headers say something of it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: muster", *(f"{name}: {value}" for name, value in headers.items())]
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
