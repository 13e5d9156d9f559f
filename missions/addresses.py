"""Where webhooks may be sent: no addresses of this machine or of a private network, unless allowed."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from missions.errors import InvalidInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HOST = re.compile(r"\w([\w-]{0,61}\w)?(\.\w([\w-]{0,61}\w)?)*\.?")
_EXAMPLE = "https://example.com/hooks"
# Carrier-grade NAT is neither private nor global in Python's words; the last two lead to IPv4 through a gateway.
_NOT_PUBLIC = tuple(ip_network(text) for text in ("100.64.0.0/10", "64:ff9b::/96", "2002::/16"))
MAX_URL = 2000


@dataclass(frozen=True)
class AddressPolicy:
    """What is allowed beside public addresses and HTTPS."""

    allow_private: bool = False
    allow_http: bool = False
    networks: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Whether a request may go to this address."""
        plain = _plain(address)
        listed = any(plain in network for network in self.networks if network.version == plain.version)
        return self.allow_private or listed or is_public(plain)


def is_public(address: Address) -> bool:
    """Whether an address is anybody's: not private, loopback, link-local, multicast, reserved or unspecified."""
    plain = _plain(address)
    if any(plain in network for network in _NOT_PUBLIC if network.version == plain.version):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def _plain(address: Address) -> Address:
    """The IPv4 address in an IPv6 one that only wraps it."""
    return getattr(address, "ipv4_mapped", None) or address


def literal(host: str) -> Address | None:
    """The address that a host is; resolvers read `127.1` and `2130706433` as addresses too."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def check_url(url: str, policy: AddressPolicy) -> None:
    """Raise InvalidInput for what is no address of a webhook, or one that is not allowed."""
    shown: object = url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _refused(f"{url!r} is no address: {error}", url, f"write it as {_EXAMPLE}") from None
    if "@" in parts.netloc:  # addresses are shown and logged, passwords are not
        shown = "(not shown)"
        raise _refused("the address holds a user or password", shown, "leave them out; receivers check the signature")
    if parts.scheme not in ("http", "https") or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise _refused(f"{url!r} is no address of HTTP", shown, f"write it as {_EXAMPLE}")
    if port == 0 or not (_HOST.fullmatch(host) or (":" in host and literal(host))):
        raise _refused(f"{url!r} names no host", shown, f"write it as {_EXAMPLE}")
    if "#" in url:
        raise _refused(f"{url!r} holds a `#`", shown, "leave it out, with what follows: it is never sent")
    if parts.scheme == "http" and not policy.allow_http:
        raise _refused(
            f"{url!r} is not encrypted", shown, "use https://, or let the operator set MUSTER_WEBHOOK_ALLOW_HTTP"
        )
    address = literal(host)
    if address is not None and not policy.allows(address):
        raise _refused(not_allowed(host, [address]), shown, REMEDY)


REMEDY = "use a public address, or let the operator set MUSTER_WEBHOOK_ALLOWED_NETWORKS"


def not_allowed(host: str, addresses: Sequence[Address]) -> str:
    """Why nothing is sent to a host."""
    return f"{host} is at {', '.join(map(str, addresses)) or 'no address'}, which is not public"


def _refused(detail: str, value: object, remedy: str) -> InvalidInput:
    return InvalidInput(detail, field="url", value=value, remedy=remedy)
