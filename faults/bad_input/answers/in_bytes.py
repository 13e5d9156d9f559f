"""Bodies that cannot be read, or only just: no JSON, odd text, charsets, packing, sizes."""

import gzip
import json
import zlib

from faults.bad_input.answers.expected import End, fine, refused
from faults.bad_input.answers.kinds import (
    LIMIT,
    Making,
    Spoiled,
    bytes_kind,
    good_bytes,
    kind,
    of,
    one,
    spliced,
)
from faults.bad_input.answers.odd_planner import Answer, Then, http


def in_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the time would be another one in each run


# --- what is no answer at all


@kind("any bytes")
def _any_bytes(made: Making) -> Spoiled:
    return one(http(made.chance.randbytes(made.chance.randint(1, 3000))), refused("no JSON"))


@kind("any text")
def _any_text(made: Making) -> Spoiled:
    text = "".join(chr(made.chance.choice([*range(32, 127), 0xE9, 0x1F600, 0x202E])) for _ in range(400))
    return one(http(b"#" + text.encode()), refused("no JSON"))


@kind("half of a good answer")
def _half(made: Making) -> Spoiled:
    whole = json.dumps(made.good()).encode()
    return one(http(whole[: made.chance.randint(1, len(whole) - 1)]), refused("no JSON"))


@kind("one byte of a good answer is another")
def _one_byte(made: Making) -> Spoiled:
    whole = bytearray(json.dumps(made.good()).encode())
    whole[made.chance.randrange(len(whole))] = made.chance.choice(b"\x00\x01\x1f\x80\xff")
    return one(http(bytes(whole)), refused("no JSON", "cannot be read"))


bytes_kind("an empty body", lambda _: http(b""), refused("empty body"))
bytes_kind("blanks", lambda _: http(b" \r\n\t" * 50), refused("empty body"))
bytes_kind("two values", lambda made: http(json.dumps(made.good()).encode() * 2), refused("no JSON"))
bytes_kind("NaN", lambda _: http(b'{"status": "ready", "results": NaN}'), refused("NaN"))
bytes_kind("-Infinity", lambda _: http(b'{"results": [-Infinity]}'), refused("Infinity"))
bytes_kind("a number that is none, 1e400", lambda made: spliced(made, b"1e400"), refused("JSON", "number", "float"))
bytes_kind("a number of 5,000 digits", lambda made: spliced(made, b"9" * 5000), refused("digits", "number"))
for levels in (150, 190, 230, 300, 600, *range(940, 1000, 10), 5_000, 100_000):

    def _deep(made: Making, levels: int = levels) -> Spoiled:
        answer = spliced(made, b"[" * levels + b"]" * levels)
        return one(answer, fine(made.uuid) if levels < 195 else refused("deeper than"))

    kind(f"an assignment of {levels} levels")(_deep)
bytes_kind("100,000 levels of objects", lambda _: http(b'{"a":' * 50_000), refused("no JSON", "deeper than"))


# --- text

for name, text in {"NUL": rb'"a\u0000b"', "NUL in the key": rb'"x", "a\u0000": 1'}.items():
    bytes_kind(f"{name} in an assignment", of(lambda made, text: spliced(made, text), text), refused("NUL"))
for name, text in {"half a surrogate pair": rb'"\ud800"', "the other half": rb'"\udfff\ud800"'}.items():
    bytes_kind(f"{name} in an assignment", of(lambda made, text: spliced(made, text), text), refused("surrogate"))
for name, text in {
    "a surrogate pair": rb'"\ud83d\ude00"',
    "an escaped backslash before u0000": rb'"\\u0000"',
    "control characters": rb'"\u0001\u001b\u007f\u0085\u202e"',
    "noncharacters": rb'"\uffff\ufffe"',
    "1e308": b"1e308",
    "4,000 digits": b"9" * 4000,
    "-0.0": b"-0.0",
}.items():
    kind(f"{name} in an assignment")(of(lambda made, text: one(spliced(made, text), fine(made.uuid)), text))
for name, words in {
    "NUL": r"\u0000",
    "half a surrogate pair": r"\udc00",
    "ESC": r"\u001b",
    "a lot": "x" * 100_000,
}.items():
    said = b'{"status": "failed", "message": "%s"}' % words.encode()
    bytes_kind(f"failed, and {name} in the message", of(lambda _, said: http(said), said), refused("failed"))
    said = b'{"status": "%s"}' % words.encode()
    bytes_kind(f"a status with {name}", of(lambda _, said: http(said), said), refused("status"))
    said = b'{"status": "pending", "request_id": "%s"}' % words.encode()
    bytes_kind(f"a request_id with {name}", of(lambda _, said: http(said), said), refused("request_id"))
    said = b'{"results": [{"agent_uuid": "%s", "assignment": {}}]}' % words.encode()
    bytes_kind(
        f"an agent_uuid with {name}",
        of(lambda _, said: http(said), said),
        refused("NUL", "surrogate"),
        End("failed", "agent_unknown", ("results[0]",)),  # of text that can be kept
    )
    said = b'<html>"%s' % words.encode()
    bytes_kind(f"an error with {name}", of(lambda _, said: http(said, 500, "Oops"), said), refused("HTTP 500"))


# --- content types, charsets, encodings

for odd in ("text/html", "", "application/json; charset=nonsense", "\xff\xfe", "x" * 5000, "multipart/form-data"):
    kind(f"content type {odd[:40]!a}")(
        of(lambda made, odd: one(http(json.dumps(made.good()).encode(), Content_Type=odd), fine(made.uuid)), odd)
    )
for charset, ok in {"utf-8-sig": True, "utf-16": True, "utf-32-le": True, "latin-1": False, "cp037": False}.items():

    def _in_charset(made: Making, charset: str = charset, ok: bool = ok) -> Spoiled:
        body = json.dumps(made.good(note="Tür"), ensure_ascii=False).encode(charset)
        said = http(body, Content_Type=f"application/json; charset={charset}")
        return one(said, fine(made.uuid) if ok else refused("no JSON"))

    kind(f"charset {charset}")(_in_charset)


for name, packed in {
    "gzip": lambda body: http(in_gzip(body), Content_Encoding="gzip"),
    "deflate": lambda body: http(zlib.compress(body), Content_Encoding="deflate"),
    "gzip twice": lambda body: http(in_gzip(in_gzip(body)), Content_Encoding="gzip, gzip"),
    "an encoding nobody knows": lambda body: http(body, Content_Encoding="odd"),
}.items():
    kind(f"{name}, as it should be")(of(lambda made, packed: one(packed(good_bytes(made)), fine(made.uuid)), packed))
_UNREAD = refused("cannot be read", "no JSON", "empty body")
for name, spoil in {
    "gzip that is none": lambda body, _: http(body, Content_Encoding="gzip"),
    "deflate that is none": lambda body, _: http(body, Content_Encoding="deflate"),
    "half of gzip": lambda body, chance: http(in_gzip(body)[: chance.randint(11, 40)], Content_Encoding="gzip"),
    "gzip with other bytes": lambda body, chance: http(
        in_gzip(body)[:15] + chance.randbytes(60), Content_Encoding="gzip"
    ),
    "gzip that nobody named": lambda body, _: http(in_gzip(body)),
    "gzip named a thousand times": lambda body, _: http(body, Content_Encoding="gzip," * 1000 + "gzip"),
    "br": lambda body, chance: http(chance.randbytes(200), Content_Encoding="br"),
}.items():
    bytes_kind(name, of(lambda made, spoil: spoil(good_bytes(made), made.chance), spoil), _UNREAD)


# --- sizes

_TOO_LARGE = refused("MUSTER_MAX_RESPONSE_BYTES")


def _bomb(megabytes: int) -> bytes:
    """Zeros in gzip, with a wrong sum at their end: a megabyte is packed once, and repeated."""
    packer = zlib.compressobj(wbits=-15)
    once = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    return in_gzip(b"")[:10] + once * megabytes


_BOMB, _DOUBLE_BOMB = _bomb(100), in_gzip(_bomb(2_000))
bytes_kind("a byte too many", lambda made: http(_padded(made, LIMIT + 1)), _TOO_LARGE)
bytes_kind("100 MB of zeros in gzip", lambda _: http(_BOMB, Content_Encoding="gzip"), _TOO_LARGE)
bytes_kind("gzip in gzip of 2 GB", lambda _: http(_DOUBLE_BOMB, Content_Encoding="gzip, gzip"), _TOO_LARGE)
bytes_kind(
    "no end, as fast as it is read",
    lambda _: Answer(b"HTTP/1.1 200 OK\r\n\r\n", Then.FLOOD, b"[" * 65536),
    _TOO_LARGE,
)
bytes_kind(
    "chunks without end",
    lambda _: Answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then.FLOOD, b"8000\r\n%b\r\n" % bytes(32768)
    ),
    _TOO_LARGE,
)
bytes_kind("an error without end", lambda _: Answer(b"HTTP/1.1 500 Oops\r\n\r\n", Then.FLOOD, b"x" * 65536), _TOO_LARGE)
kind("as large as may be")(lambda made: one(http(_padded(made, LIMIT)), fine(made.uuid)))


def _padded(made: Making, size: int) -> bytes:
    content = json.dumps(made.good(note="")).encode()
    return content[:-2] + b"x" * (size - len(content)) + content[-2:]
