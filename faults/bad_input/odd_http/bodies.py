"""Bodies that cannot be read, or only just; of another kind than they say, and packed otherwise."""

import gzip
import random
from collections.abc import Iterator

from faults.bad_input.furniture import PLATFORM
from faults.bad_input.odd_http.request import JSON, YAML, Case, request, with_token

_TAKE_BODIES = (
    ("POST", "/api/v1/yards", JSON),
    ("POST", "/api/v1/work-processes", JSON),
    ("PATCH", "/api/v1/work-processes/1", JSON),
    ("POST", "/api/v1/recipes", JSON),
    ("PUT", "/api/v1/recipes/1", JSON),
    ("POST", "/api/v1/services", JSON),
    ("POST", "/api/v1/agents", JSON),
    ("POST", "/api/v1/agents/1/instant-actions", JSON),
    ("POST", "/api/v1/yards/1/map-objects", JSON),
    ("POST", "/api/v1/webhooks", JSON),
    ("PUT", "/api/v1/queue/limits", JSON),
    ("POST", "/api/v1/import", JSON),
    ("POST", "/api/v1/events/stream-tokens", JSON),
    ("POST", "/api/v1/recipes/import", YAML),
    ("POST", "/api/v1/services/import", YAML),
    ("POST", "/api/v1/mission-files/validate", YAML),
    ("POST", f"/api/v1/platforms/{PLATFORM}/missions?missionId=m2", YAML),
    ("POST", f"/api/v1/platforms/{PLATFORM}/missions", JSON),
)

# One key of each of those bodies at least, so that the value is looked at.
_KEYS = (
    '"uid":"u","name":"n","data":%s,"lat":%s,"workProcessTypeName":"furnished-0","yardId":%s,"agentIds":[%s],'
    '"steps":[{"step":"s","uses":"microservice","serviceType":"t","input":%s}],"type":"t","url":"http://h/","config":%s,'
    '"uuid":"x","command":%s,"mapObjects":[{"data":%s}],"overall":%s,"files":[%s],"missionId":"m","missionYaml":"%s"'
)


_KINDS = (
    "",
    "text/html",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/json/x",
    "application/json; charset=utf-16",
    "application/json; charset=no",
    "*/*",
    "application/x-www-form-urlencoded",
)
_GOOD = b'{"uid": "odd"}'
_PACKED = (
    ("gzip", gzip.compress(_GOOD, mtime=0)),
    ("gzip", _GOOD),
    ("br", _GOOD),
    ("deflate", b"\0" * 99),
    ("x" * 9000, _GOOD),
)


def bodies(token: str) -> Iterator[Case]:
    """For each operation that takes a body."""
    own = with_token(token)
    for method, path, kind in _TAKE_BODIES:
        for name, body in _odd_bodies().items():
            yield Case(f"{method} {path} with {name}", request(method, path, own | {"Content-Type": kind}, body))
        for wrong in _KINDS:
            yield Case(f"{method} {path} as {wrong!r}", request(method, path, own | {"Content-Type": wrong}, _GOOD))
        for encoding, body in _PACKED:
            headers = own | {"Content-Type": JSON, "Content-Encoding": encoding}
            yield Case(f"{method} {path} in {encoding[:9]}", request(method, path, headers, body))


def _odd_values() -> dict[str, bytes]:
    numbers = {"10**400": b"1" + b"0" * 400, "10**5000": b"1" + b"0" * 5000, "1e400": b"1e400", "-1e400": b"-1e400"}
    words = {
        "NaN": b"NaN",
        "NUL": rb'"\u0000"',
        "half a surrogate pair": rb'"\ud800"',
        "long": b'"%s"' % (b"x" * 300_000),
    }
    deep = {f"{levels} levels": b"[" * levels + b"]" * levels for levels in (200, 2_000, 100_000)}
    return numbers | words | deep


def _odd_bodies() -> dict[str, bytes]:
    whole = {
        "empty": b"",
        "blank": b" \r\n\t ",
        "NULs": b"\0" * 1000,
        "no UTF-8": b'{"uid": "\xff\xfe"}',
        "UTF-16": '{"uid": "north"}'.encode("utf-16"),
        "UTF-32": '{"uid": "north"}'.encode("utf-32"),
        "a byte order mark": b'\xef\xbb\xbf{"uid": "north"}',
        "a lone [": b"[" * 100_000,
        "{ without end": b'{"a":' * 50_000,
        "twice the same key": b'{"uid": "a", "uid": "b"}',
        "an alias bomb": b"a: &a [x]\n"
        + b"".join(b"k%d: &k%d [*a,*a,*a,*a,*a,*a,*a,*a]\n" % (i, i) for i in range(50)),
        "nested aliases": b"a0: &a0 [x]\n"
        + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)),
        "an alias of itself": b"a: &a [*a]\nmission: *a\nrecipes: *a\n",
        "a YAML tag": b"!!python/object/apply:os.system ['true']",
        "YAML of a great number": b"recipes: [{name: "
        + b"9" * 5000
        + b", steps: 1}]\nmission: [{schedule: "
        + b"9" * 5000
        + b"}]",
        "YAML of odd dates": b"mission: [{instrumentID: [2001-99-99], schedule: {startTime: 0000-00-00T99:99:99}}]",
        "YAML of a base 60 number": b"mission: [{schedule: {startTime: " + b"59:" * 3000 + b"59}}]",
        "YAML of a great exponent": b"mission: [{schedule: {startTime: 2014-07-18, loop: {quantity: 1e400}}}]",
        "random bytes": random.Random(0).randbytes(5000),
    }
    keyed = {name: b"{" + _KEYS.encode().replace(b"%s", value) + b"}" for name, value in _odd_values().items()}
    return whole | {f"{name} as a body": value for name, value in _odd_values().items()} | keyed
