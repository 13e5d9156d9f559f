"""Requests whose end cannot be told, and bytes that are no request."""

import random
from collections.abc import Iterator

from faults.bad_input.odd_http.request import JSON, Case, request, with_token


def framing(token: str) -> Iterator[Case]:
    """Odd lengths and chunks of one good body, then other protocols."""
    own = with_token(token) | {"Content-Type": JSON}
    for name, (headers, content) in _odd_frames().items():
        yield Case(f"frame {name}", request("POST", "/api/v1/yards", own | headers) + content)
    yield from _no_http(token)


def _odd_frames() -> dict[str, tuple[dict[str, str], bytes]]:
    chunked = {"Transfer-Encoding": "chunked"}
    good = b'{"uid": "odd"}'
    return {
        "a chunk of no number": (chunked, b"ZZ\r\n" + good),
        "a chunk of a great number": (chunked, b"F" * 40 + b"\r\n" + good),
        "a negative chunk": (chunked, b"-5\r\n" + good),
        "a chunk longer than it says": (chunked, b"2\r\n" + good + b"\r\n0\r\n\r\n"),
        "a chunk with a long extension": (chunked, b"e;" + b"x" * 200_000 + b"\r\n" + good + b"\r\n0\r\n\r\n"),
        "100,000 chunks of a byte": (chunked, b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n"),
        "odd trailers": (chunked, b"e\r\n" + good + b"\r\n0\r\n\0: \xff\r\n\r\n"),
        "twice chunked": ({"Transfer-Encoding": "chunked, chunked"}, b"0\r\n\r\n"),
        "gzip and chunked": ({"Transfer-Encoding": "gzip, chunked"}, b"e\r\n" + good + b"\r\n0\r\n\r\n"),
        "an unknown transfer": ({"Transfer-Encoding": "odd"}, good),
        "both lengths": ({"Content-Length": "14", "transfer-encoding": "chunked"}, b"e\r\n" + good + b"\r\n0\r\n\r\n"),
        "a negative length": ({"Content-Length": "-1"}, good),
        "a signed length": ({"Content-Length": "+14"}, good),
        "a great length": ({"Content-Length": "9" * 400}, good),
        "2 TB": ({"Content-Length": str(2 * 10**12)}, good),
        "no number as length": ({"Content-Length": "\xb2"}, good),
        "two lengths": ({"Content-Length": "14", "content-length": "3"}, good),
    }


def _no_http(token: str) -> Iterator[Case]:
    line = b"GET /api/v1/yards HTTP/1.1\r\n"
    auth = f"Authorization: Bearer {token}\r\n".encode()
    yield Case("the greeting of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100))
    yield Case("a greeting of TLS", bytes.fromhex("1603010200010001fc0303") + bytes(500))
    yield Case("bytes of no kind", random.Random(1).randbytes(5000) + b"\r\n\r\n")
    yield Case("NULs", bytes(10_000) + b"\r\n\r\n")
    yield Case("HTTP/0.9", b"GET /api/v1/yards\r\n\r\n")
    yield Case("HTTP/1.0", b"GET /api/v1/yards HTTP/1.0\r\n" + auth + b"\r\n")
    yield Case("HTTP/9.9", b"GET /api/v1/yards HTTP/9.9\r\n" + auth + b"\r\n")
    yield Case("no Host", line + auth + b"Connection: close\r\n\r\n")
    yield Case("bare line feeds", line.replace(b"\r", b"") + auth.replace(b"\r", b"") + b"Connection: close\n\n")
    yield Case("a space before the colon", line + b"Host : x\r\n" + auth + b"Connection: close\r\n\r\n")
    yield Case("NUL in a path", b"GET /api/v1/\0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    yield Case("bytes over 127 in a path", b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    yield Case("a line of 1 MB", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
