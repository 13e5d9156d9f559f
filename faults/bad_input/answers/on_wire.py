"""Odd HTTP: statuses, redirections, connections that break, heads and bodies that never end."""

from collections.abc import Callable

from faults.bad_input.answers.expected import End, fine, late, refused, too_slow
from faults.bad_input.answers.kinds import Making, Spoiled, bytes_kind, good_bytes, good_head, kind, of, one
from faults.bad_input.answers.odd_planner import Answer, Then, http, in_json

# --- statuses of HTTP

for status in (400, 401, 403, 404, 405, 408, 409, 410, 413, 418, 422, 451, 499, 500, 501, 505, 507, 511, 599):
    bytes_kind(
        f"HTTP {status}", of(lambda made, status: in_json(made.good(), status), status), refused(f"HTTP {status}")
    )
for status in (300, 301, 302, 303, 304, 305, 307, 308, 399):
    said = {} if status == 304 else {"Location": "/good/"}
    bytes_kind(
        f"HTTP {status}, a redirection",
        of(
            lambda made, status, said: http(
                b"" if status == 304 else good_bytes(made), status, "Elsewhere", Then.CLOSE, **said
            ),
            status,
            said,
        ),
        refused(f"HTTP {status}"),
    )
for where in ("http://[", "http://x:99999/", "\xff://", "//", "file:///etc/passwd", "x" * 9000):
    bytes_kind(
        f"a redirection to {where[:20]!a}",
        of(lambda made, where: http(good_bytes(made), 302, "Found", Then.CLOSE, Location=where), where),
        refused("HTTP 302"),
        late(),
        recipe="odd-short",
    )
for status in (201, 202, 203, 206, 250, 299):
    kind(f"HTTP {status}")(of(lambda made, status: one(in_json(made.good(), status), fine(made.uuid)), status))
for status in (204, 205):
    bytes_kind(f"HTTP {status}", of(lambda _, status: http(b"", status, "Nothing"), status), refused("empty body"))


@kind("a fault of the way that passes")
def _passes(made: Making) -> Spoiled:
    faults = [
        in_json({}, 429),
        in_json({}, 502),
        http(b"<html>", 503, "Busy", Retry_After="-1"),
        in_json({}, 504),
        Answer(b"", Then.RESET),
        Answer(b""),
        Answer(good_head(made)[:-20]),
        Answer(good_head(made)[:30], Then.RESET),
        Answer(b"nonsense\r\n\r\n"),
    ]
    said = made.chance.sample(faults, made.chance.randint(1, 2))
    return Spoiled((*said, in_json(made.good())), (fine(made.uuid, retried=True),))


for status in (429, 502, 503, 504):
    bytes_kind(
        f"HTTP {status} for ever",
        of(lambda made, status: in_json(made.good(), status), status),
        late(f"HTTP {status}"),
        recipe="odd-short",
    )


# --- the wire

_LATE_WIRE: dict[str, Callable[[Making], Answer]] = {
    "reset at once": lambda _: Answer(b"", Then.RESET),
    "closed at once": lambda _: Answer(b""),
    "reset in the head": lambda made: Answer(good_head(made)[: made.chance.randint(1, 40)], Then.RESET),
    "reset in the body": lambda made: Answer(good_head(made)[: -made.chance.randint(1, 40)], Then.RESET),
    "half a body": lambda made: Answer(good_head(made)[: -made.chance.randint(1, 40)]),
    "half of the chunks": lambda _: Answer(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"'),
    "no HTTP": lambda made: Answer(made.chance.randbytes(300) + b"\r\n\r\n"),
    "the greeting of TLS": lambda _: Answer(bytes.fromhex("15030100020228")),
    "the greeting of HTTP/2": lambda _: Answer(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    "HTTP/9.9": lambda _: Answer(b"HTTP/9.9 200 OK\r\n\r\n{}"),
    "a status that is no number": lambda _: Answer(b"HTTP/1.1 OK 200\r\n\r\n{}"),
    "a status of four digits": lambda _: Answer(b"HTTP/1.1 2000 OK\r\n\r\n{}"),
    "a line of the head of 1 MB": lambda _: Answer(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n{}"),
    "a head without end": lambda _: Answer(b"HTTP/1.1 200 OK\r\n", Then.FLOOD, b"X-Odd: odd\r\n" * 500),
    "no colon in the head": lambda _: Answer(b"HTTP/1.1 200 OK\r\nodd\r\n\r\n{}"),
    "NUL in the head": lambda _: Answer(b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n{}"),
    "a negative length": lambda _: Answer(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "a length of 400 digits": lambda _: Answer(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n{}"),
    "two lengths": lambda _: Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "an unknown transfer": lambda _: Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n{}"),
    "a chunk of no number": lambda _: Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}"),
    "a chunk of a great number": lambda _: Answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 40 + b"\r\n{}"
    ),
}
for name, wire in _LATE_WIRE.items():
    # What a server of HTTP/9.9 means by `{}` may be read, and is no answer either.
    ends = (late(), refused("neither")) if name == "HTTP/9.9" else (late(),)
    bytes_kind(name, wire, *ends, recipe="odd-short")
for name, slow in {
    "no answer": Answer(b"", Then.HANG),
    "half a head, then nothing": Answer(b"HTTP/1.1 200 OK\r\nContent-", Then.HANG),
    "half a body, then nothing": Answer(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"results', Then.HANG),
    "a head in drops": Answer(b"HTTP/1.1 200 OK\r\n", Then.DRIP, b"X-Odd: x\r\n"),
    "a body in drops": Answer(b"HTTP/1.1 200 OK\r\n\r\n", Then.DRIP, b"["),
    "chunks in drops": Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then.DRIP, b"1\r\n[\r\n"),
    "HTTP 100 without end": Answer(b"", Then.DRIP, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "HTTP 103 without end, fast": Answer(b"", Then.FLOOD, b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 50),
}.items():
    bytes_kind(name, of(lambda _, slow: slow, slow), too_slow(), late(), recipe="odd-short")


@kind("two answers to one request")
def _two(made: Making) -> Spoiled:
    evil = in_json({"results": [{"agent_uuid": made.facts.mine[0][1], "assignment": {"evil": 1}}]})
    return one(Answer(good_head(made) + evil.content, Then.KEEP), fine(made.uuid))


@kind("more bytes than it says")
def _more(made: Making) -> Spoiled:
    return one(Answer(good_head(made) + made.chance.randbytes(200), Then.KEEP), fine(made.uuid))


@kind("cookies")
def _cookies(made: Making) -> Spoiled:
    name = made.chance.randbytes(8).hex()
    return one(http(good_bytes(made), Set_Cookie=f"{name}={'x' * 3000}; Max-Age=99999999"), fine(made.uuid))


kind("a head of many lines")(
    lambda made: one(http(good_bytes(made), **{f"X-{n}": "x" for n in range(1000)}), fine(made.uuid))
)
kind("nobody listens")(
    lambda made: one(Answer(b""), End("failed", "planner_timeout", ("connect",)), recipe="odd-nobody")
)
