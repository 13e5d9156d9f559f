"""Where webhooks may be sent: no addresses of this machine or of a private network, unless allowed."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from missions.errors import InvalidInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HOST = re.compile(r"\w([\w-]{0,61}\w)?(\.\w([\w-]{0,61}\w)?)*\.?")
_EXAMPLE = "https://example.com/hooks"
# What Python calls global or does not know: carrier-grade NAT, gateways to IPv4, site-local, documentation.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in ("100.64.0.0/10", "192.88.99.0/24", "64:ff9b::/96", "2002::/16", "fec0::/10", "3fff::/20")
)
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


def malformed(url: str, why: object) -> InvalidInput:
    """The refusal of what cannot be read as an address."""
    shown = "(not shown)" if "@" in url else url  # addresses are shown and logged, passwords are not
    return _refused(f"this is no address: {why}", shown, f"write it as {_EXAMPLE}")


def check_url(url: str, scheme: str, host: str, port: int | None, policy: AddressPolicy) -> None:
    """Raise InvalidInput for what is no address of a webhook, or one that is not allowed.

    `scheme`, `host`, `port`: as the sender reads them in `url`, so that nobody is called who was not checked.
    """
    if "@" in re.split("[/?#]", url.partition("//")[2])[0]:
        remedy = "leave them out; receivers check the signature"
        raise _refused("the address holds a user or password", "(not shown)", remedy)
    if scheme not in ("http", "https") or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise _refused(f"{url!r} is no address of HTTP", url, f"write it as {_EXAMPLE}")
    if not (_HOST.fullmatch(host) or (":" in host and literal(host))):
        raise _refused(f"{url!r} names no host", url, f"write it as {_EXAMPLE}")
    if port is not None and not 0 < port < 65_536:
        raise _refused(f"{url!r} names port {port}", url, f"write it as {_EXAMPLE}")
    if "#" in url:
        raise _refused(f"{url!r} holds a `#`", url, "leave it out, with what follows: it is never sent")
    if scheme == "http" and not policy.allow_http:
        raise _refused(
            f"{url!r} is not encrypted", url, "use https://, or let the operator set MUSTER_WEBHOOK_ALLOW_HTTP"
        )
    address = literal(host)
    if address is not None and not policy.allows(address):
        raise _refused(not_allowed(host, [address]), url, REMEDY)


REMEDY = "use a public address, or let the operator set MUSTER_WEBHOOK_ALLOWED_NETWORKS"


def not_allowed(host: str, addresses: Sequence[Address]) -> str:
    """Why nothing is sent to a host."""
    return f"{host} is at {', '.join(map(str, addresses)) or 'no address'}, which is not public"


def _refused(detail: str, value: object, remedy: str) -> InvalidInput:
    return InvalidInput(detail, field="url", value=value, remedy=remedy)
