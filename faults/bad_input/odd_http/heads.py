"""Heads of requests that are too large, of odd bytes, or ask for what is not there."""

from collections.abc import Iterator

from faults.bad_input.odd_http.request import Case, request


def heads(token: str) -> Iterator[Case]:
    """Each with one odd header, or many of them."""
    for name, headers in _odd_headers(token).items():
        yield Case(f"header {name}", request("GET", "/api/v1/yards", {"Connection": "close", **headers}))


def _odd_headers(token: str) -> dict[str, dict[str, str]]:
    own = f"Bearer {token}"
    return {
        "one of 16 KB": {"Authorization": own, "X-Odd": "x" * 16_000},
        "one of 1 MB": {"Authorization": own, "X-Odd": "x" * 1_000_000},
        "a token of 1 MB": {"Authorization": "Bearer " + "x" * 1_000_000},
        "10,000 of them": {"Authorization": own} | {f"X-{number}": "x" for number in range(10_000)},
        "a token that is no ASCII": {"Authorization": "Bearer \xe4\xff"},
        "a token with NUL": {"Authorization": "Bearer \0"},
        "Basic": {"Authorization": "Basic eDp5"},
        "none of the token": {"Authorization": "Bearer"},
        "If-Match odd": {"Authorization": own, "If-Match": "9" * 5000},
        "Idempotency-Key odd": {"Authorization": own, "Idempotency-Key": "\xff" * 3000},
        "Last-Event-ID odd": {"Authorization": own, "Last-Event-ID": "9" * 5000},
        "Range": {"Authorization": own, "Range": "bytes=0-18446744073709551615"},
        "Accept odd": {"Authorization": own, "Accept": "," * 9000, "Accept-Encoding": "\0"},
        "Upgrade to websocket": {
            "Authorization": own,
            "Upgrade": "websocket",
            "Connection": "upgrade",
            "Sec-WebSocket-Key": "x",
        },
        "Upgrade to h2c": {
            "Authorization": own,
            "Upgrade": "h2c",
            "Connection": "upgrade, close",
            "HTTP2-Settings": "AAA",
        },
        "Expect": {"Authorization": own, "Expect": "100-continue"},
        "Expect odd": {"Authorization": own, "Expect": "something"},
        "Host twice": {"Authorization": own, "host": "\xff\xff/..@"},
        "X-Forwarded odd": {"Authorization": own, "X-Forwarded-For": "\xff", "X-Forwarded-Proto": "\0"},
        "folded": {"Authorization": own, "X-Odd": "a\r\n b"},
    }
