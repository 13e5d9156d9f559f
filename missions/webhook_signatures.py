"""Signatures of webhooks, after Standard Webhooks 1.0: HMAC-SHA256 of `id.timestamp.body`."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def new_secret() -> str:
    """A random secret of 32 bytes, as receivers are given it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> str:
    """The secret, if it is `whsec_` and the base64 of 24 to 64 bytes; raises ValueError, which does not show it."""
    remedy = f"send `{_PREFIX}` and the base64 of {_SHORTEST} to {_LONGEST} random bytes, or leave it out"
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the secret is no base64; {remedy}") from None
    if not secret.startswith(_PREFIX):
        raise ValueError(f"the secret does not begin with `{_PREFIX}`; {remedy}")
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"the secret has {len(key)} bytes; {remedy}")
    return secret


def keys_at(moment: datetime, webhook: Mapping[str, Any]) -> list[str]:
    """The secrets of a webhook's row that sign at this moment, the newest first."""
    overlaps = webhook["previous_secret_until"] is not None and moment < webhook["previous_secret_until"]
    return [webhook["secret"], webhook["previous_secret"]] if overlaps else [webhook["secret"]]


def signed_headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt, signed with each secret; `timestamp`: seconds since 1970 of the attempt."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_signature(content, key)}" for key in keys),
    }


def _signature(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
