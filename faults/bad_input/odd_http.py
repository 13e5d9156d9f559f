"""HTTP beneath what a client library sends: odd framing, odd bytes, connections that are opened and left."""

import asyncio
import gzip
import random
import re
import resource
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from faults.bad_input.furniture import PLATFORM
from faults.bad_input.ground import READ_TIMEOUT, Ground
from faults.results import Result

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_AT_ONCE = 50
_CONNECTIONS = 10_000
_PIPELINED = 500

_JSON, _YAML = "application/json", "application/yaml"
_TAKE_BODIES = (
    ("POST", "/api/v1/yards", _JSON),
    ("POST", "/api/v1/work-processes", _JSON),
    ("PATCH", "/api/v1/work-processes/1", _JSON),
    ("POST", "/api/v1/recipes", _JSON),
    ("PUT", "/api/v1/recipes/1", _JSON),
    ("POST", "/api/v1/services", _JSON),
    ("POST", "/api/v1/agents", _JSON),
    ("POST", "/api/v1/agents/1/instant-actions", _JSON),
    ("POST", "/api/v1/yards/1/map-objects", _JSON),
    ("POST", "/api/v1/webhooks", _JSON),
    ("PUT", "/api/v1/queue/limits", _JSON),
    ("POST", "/api/v1/import", _JSON),
    ("POST", "/api/v1/events/stream-tokens", _JSON),
    ("POST", "/api/v1/recipes/import", _YAML),
    ("POST", "/api/v1/services/import", _YAML),
    ("POST", "/api/v1/mission-files/validate", _YAML),
    ("POST", f"/api/v1/platforms/{PLATFORM}/missions?missionId=m2", _YAML),
    ("POST", f"/api/v1/platforms/{PLATFORM}/missions", _JSON),
)

# One key of each of those bodies at least, so that the value is looked at.
_KEYS = (
    '"uid":"u","name":"n","data":%s,"lat":%s,"workProcessTypeName":"furnished-0","yardId":%s,"agentIds":[%s],'
    '"steps":[{"step":"s","uses":"microservice","serviceType":"t","input":%s}],"type":"t","url":"http://h/","config":%s,'
    '"uuid":"x","command":%s,"mapObjects":[{"data":%s}],"overall":%s,"files":[%s],"missionId":"m","missionYaml":"%s"'
)


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


def _request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: muster", *(f"{name}: {value}" for name, value in headers.items())]
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _cases(token: str) -> Iterator[tuple[str, bytes]]:
    """What is sent on a connection of its own, with a name; each is a request that ends, or no HTTP at all."""
    own = {"Authorization": f"Bearer {token}", "Connection": "close"}
    for name, body in _odd_bodies().items():
        for method, path, kind in _TAKE_BODIES:
            yield f"{method} {path} with {name}", _request(method, path, own | {"Content-Type": kind}, body)
    good = b'{"uid": "odd"}'
    for method, path, _ in _TAKE_BODIES:
        for kind in (
            "",
            "text/html",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/json/x",
            "application/json; charset=utf-16",
            "application/json; charset=no",
            "*/*",
            "application/x-www-form-urlencoded",
        ):
            yield f"{method} {path} as {kind!r}", _request(method, path, own | {"Content-Type": kind}, good)
        for encoding, body in (
            ("gzip", gzip.compress(good, mtime=0)),
            ("gzip", good),
            ("br", good),
            ("deflate", b"\0" * 99),
            ("x" * 9000, good),
        ):
            headers = own | {"Content-Type": _JSON, "Content-Encoding": encoding[:9000]}
            yield f"{method} {path} in {encoding[:9]}", _request(method, path, headers, body)
    for path in _odd_paths():
        yield f"GET {path[:60]}", _request("GET", path, own)
    for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "BREW", "get", "X" * 5000):
        for path in ("/api/v1/work-processes", "/api/v1/work-processes/1", "/health/ready", "/", "*", "muster:80"):
            yield f"{method[:20]} {path}", _request(method, path, own)
    for name, headers in _odd_headers(token).items():
        yield f"header {name}", _request("GET", "/api/v1/yards", {"Connection": "close", **headers})
    for name, frame in _odd_frames().items():
        head = _request("POST", "/api/v1/yards", own | {"Content-Type": _JSON, **dict(frame[0])})
        yield f"frame {name}", head + frame[1]
    yield from _no_http(token)


def _odd_paths() -> list[str]:
    lists = (
        "/api/v1/work-processes",
        "/api/v1/agents",
        "/api/v1/events",
        "/api/v1/queue",
        "/api/v1/webhooks/1/deliveries",
    )
    values = (
        "%00",
        "%ff",
        "%ed%a0%80",
        "9" * 400,
        "-1",
        "1e400",
        "%F0%9F%98%80",
        "'--",
        "\x7f",
        "0x1",
        "1_0",
        "%D9%A1",
        "x" * 60_000,
    )
    names = (
        "limit",
        "cursor",
        "status",
        "uuid",
        "mission",
        "missionId",
        "type",
        "after",
        "before",
        "yardId",
        "no",
        "%00",
        "a[]",
    )
    queries = [f"{path}?{name}={value}" for path in lists for name in names for value in values]
    ids = [
        f"/api/v1/{kind}/{value}"
        for kind in ("agents", "recipes", "work-processes", f"platforms/{PLATFORM}/missions")
        for value in values
    ]
    odd = [
        "//",
        "/..",
        "/api/v1/../../etc/passwd",
        "/%2e%2e/%2f",
        "/api/v1/yards/1/%00",
        "/api/v1//yards",
        "/?" + "a=1&" * 10_000,
        "/api/v1/yards?" + "&".join(f"limit={n}" for n in range(5000)),
        "http://other.example/api/v1/yards",
        "/api/v1/yards#x",
        "/api/v1/events/types/%00",
        "/docs/%00",
        "/metrics?%00",
        "/health/ready?x=%00",
        "/api/v1/yards;v=1",
        "/a" * 20_000,
    ]
    return queries + ids + odd


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


_Frame = tuple[dict[str, str], bytes]


def _odd_frames() -> dict[str, _Frame]:
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


def _no_http(token: str) -> Iterator[tuple[str, bytes]]:
    line = b"GET /api/v1/yards HTTP/1.1\r\n"
    auth = f"Authorization: Bearer {token}\r\n".encode()
    yield "the greeting of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)
    yield "a greeting of TLS", bytes.fromhex("1603010200010001fc0303") + bytes(500)
    yield "bytes of no kind", random.Random(1).randbytes(5000) + b"\r\n\r\n"
    yield "NULs", bytes(10_000) + b"\r\n\r\n"
    yield "HTTP/0.9", b"GET /api/v1/yards\r\n\r\n"
    yield "HTTP/1.0", b"GET /api/v1/yards HTTP/1.0\r\n" + auth + b"\r\n"
    yield "HTTP/9.9", b"GET /api/v1/yards HTTP/9.9\r\n" + auth + b"\r\n"
    yield "no Host", line + auth + b"Connection: close\r\n\r\n"
    yield "bare line feeds", line.replace(b"\r", b"") + auth.replace(b"\r", b"") + b"Connection: close\n\n"
    yield "a space before the colon", line + b"Host : x\r\n" + auth + b"Connection: close\r\n\r\n"
    yield "NUL in a path", b"GET /api/v1/\0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    yield "bytes over 127 in a path", b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    yield "a line of 1 MB", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def odd_http(ground: Ground, seed: int, *, limit: float) -> Result:
    """Send it all. `limit`: seconds that an answer may take."""
    result = Result("API: odd HTTP")
    sender = _Sender(ground, limit, result)
    cases = list(_cases(ground.token))
    random.Random(seed).shuffle(cases)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, content: bytes) -> None:
        async with slots:
            await sender.answered(name, content)

    slow = asyncio.ensure_future(_slow_ones(sender, ground))
    await asyncio.gather(*(one(name, content) for name, content in cases))
    await sender.pipelined()
    await sender.stream()
    await sender.left_open()
    await slow
    return result


async def _slow_ones(sender: "_Sender", ground: Ground) -> None:
    """Requests that never end: the API must not wait for ever."""
    own = {"Authorization": f"Bearer {ground.token}"}
    post = own | {"Content-Type": _JSON}
    await asyncio.gather(
        sender.is_given_up("a head that never ends", b"GET /api/v1/yards HTTP/1.1\r\n", b"X-%d: x\r\n"),
        sender.is_given_up(
            "a body that never comes", _request("POST", "/api/v1/yards", post | {"Content-Length": "9"}), b""
        ),
        sender.is_given_up(
            "a body in drops", _request("POST", "/api/v1/yards", post | {"Content-Length": "100000"}), b"%d "
        ),
        sender.is_given_up(
            "chunks without end",
            _request("POST", "/api/v1/yards", post | {"Transfer-Encoding": "chunked"}),
            b"1\r\n%1.1d\r\n",
        ),
        sender.is_given_up("nothing at all", b"", b""),
        sender.is_given_up(
            "a body that nobody reads",
            _request("GET", "/api/v1/yards", own | {"Content-Length": "9"}),
            b"",
            answer=True,
        ),
    )


class _Sender:
    """Opens the connections, and notes in the result what should not be."""

    def __init__(self, ground: Ground, limit: float, result: Result) -> None:
        parts = urlsplit(ground.stack.api_url)
        self._where = (str(parts.hostname), int(parts.port or 80))
        self._ground, self._limit, self._result = ground, limit, result

    async def answered(self, name: str, content: bytes) -> None:
        """Send it; it is answered, or the connection closed, in time and not by a 5xx."""
        self._result.times += 1
        said = b""
        try:
            async with asyncio.timeout(self._limit):
                reader, writer = await asyncio.open_connection(*self._where)
                try:
                    said = await self._talk(reader, writer, content)
                finally:
                    writer.close()
        except TimeoutError:
            self._result.broken.append(f"{name}: no answer within {self._limit:g} s")
        self._check(name, said)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> bytes:
        said = b""
        try:
            writer.write(content)
            if b"\r\n\r\n" in content and b"HTTP/1" in content[:70_000]:
                said = await reader.readuntil(b"\r\n\r\n")
                return said
            writer.write_eof()
            return await reader.read()
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError:
            return await reader.read(1000)
        except OSError:  # it closed the connection before it had read everything
            return said

    def _check(self, name: str, said: bytes) -> None:
        for status in _STATUS.findall(said):
            if int(status) >= 500:
                self._result.broken.append(f"{name}: HTTP {status.decode()}")

    async def is_given_up(self, name: str, content: bytes, drop: bytes, *, answer: bool = False) -> None:
        """Begin with this, and go on with drops; the API ends it. `answer`: it must do so by a 2xx."""
        self._result.times += 1
        waits = 2 * READ_TIMEOUT + self._limit
        reader, writer = await asyncio.open_connection(*self._where)
        reading = asyncio.ensure_future(reader.read())
        began, number = time.monotonic(), 0
        try:
            writer.write(content)
            while not reading.done() and time.monotonic() - began < waits:
                await asyncio.wait({reading}, timeout=0.2)
                if drop:
                    number += 1
                    writer.write(drop % (number % 10))
            if not reading.done():
                self._result.broken.append(f"{name}: the API still waits for it after {waits:g} s")
                return
            said = reading.result()
            self._check(name, said)
            statuses = [int(status) for status in _STATUS.findall(said)]
            if answer and statuses != [200]:
                self._result.broken.append(f"{name}: answered {statuses}")
        except OSError:
            pass
        finally:
            reading.cancel()
            writer.close()

    async def pipelined(self) -> None:
        """Many requests on one connection, before any is answered: each is, in order."""
        one = _request("GET", "/api/v1/yards/%d", {"Authorization": f"Bearer {self._ground.token}"})
        self._result.times += 1
        reader, writer = await asyncio.open_connection(*self._where)
        try:
            async with asyncio.timeout(3 * self._limit):
                writer.write(one.replace(b"%d", b"1") * _PIPELINED)
                writer.write(_request("GET", "/health/live", {"Connection": "close"}))
                said = await reader.read()
            answers = _STATUS.findall(said)
            if answers != [b"200"] * (_PIPELINED + 1):
                self._result.broken.append(
                    f"{_PIPELINED + 1} requests in a row got {len(answers)} answers: {set(answers)}"
                )
        except (TimeoutError, OSError) as error:
            self._result.broken.append(f"{_PIPELINED + 1} requests in a row: {type(error).__name__}")
        finally:
            writer.close()

    async def stream(self) -> None:
        """A live stream begins at once, and takes odd places to begin at."""
        for query, after in (("", "0"), ("", "9" * 400), ("?types=%00", "x"), ("?after=-1", "0"), ("?token=x", "")):
            own = {"Authorization": f"Bearer {self._ground.token}", "Last-Event-ID": after}
            await self.answered(
                f"stream{query} after {after[:20]}", _request("GET", f"/api/v1/events/stream{query}", own)
            )

    async def left_open(self) -> None:
        """Connections that are opened and left, as many as we may open; a request beside them is answered."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        many = min(_CONNECTIONS, hard // 2 - 500)
        left: list[asyncio.StreamWriter] = []
        try:
            async with asyncio.timeout(6 * self._limit):
                while len(left) < many:
                    opened = await asyncio.gather(
                        *(asyncio.open_connection(*self._where) for _ in range(min(200, many - len(left)))),
                        return_exceptions=True,
                    )
                    left += [each[1] for each in opened if not isinstance(each, BaseException)]
                    refused = [each for each in opened if isinstance(each, BaseException)]
                    if refused:
                        break
            self._result.times += len(left)
            await self.answered(
                f"a request beside {len(left)} open connections",
                _request(
                    "GET", "/api/v1/yards", {"Authorization": f"Bearer {self._ground.token}", "Connection": "close"}
                ),
            )
            self._result.remarks.append(f"{len(left)} connections were opened and left")
        except TimeoutError:
            self._result.broken.append(f"{len(left)} connections opened, and no more within {6 * self._limit:g} s")
        finally:
            for writer in left:
                writer.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
