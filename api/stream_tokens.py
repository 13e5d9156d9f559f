"""Tokens with which a browser opens a live stream: its EventSource can send no headers, and an address may be logged.

A token is the end of its time and a signature by the API's own token; nothing is stored. It opens streams, and no more.
"""

import hashlib
import hmac

SECONDS = 60
"""How long a token opens streams; a stream that is open stays open."""


def make(api_token: str, now: float) -> tuple[str, int]:
    """A token, and when it ends (seconds since 1970)."""
    expires = int(now) + SECONDS
    return f"{expires}.{_signature(api_token, expires)}", expires


def is_valid(token: str, api_token: str, now: float) -> bool:
    """Whether this opens a stream now."""
    words, _, signature = token.partition(".")
    if not (words.isascii() and words.isdecimal() and len(words) < 19):
        return False
    expires = int(words)
    signed = hmac.compare_digest(signature.encode(), _signature(api_token, expires).encode())
    return signed and now < expires <= now + SECONDS


def _signature(api_token: str, expires: int) -> str:
    return hmac.new(api_token.encode(), b"muster stream until %d" % expires, hashlib.sha256).hexdigest()
