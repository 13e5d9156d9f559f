"""First lines of requests: methods that are none here, odd ids and queries, odd places to begin a stream at."""

from collections.abc import Iterator

from faults.bad_input.furniture import PLATFORM
from faults.bad_input.odd_http.request import Case, request, with_token

_METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "BREW", "get", "X" * 5000)
_PLACES = ("/api/v1/work-processes", "/api/v1/work-processes/1", "/health/ready", "/", "*", "muster:80")
_BEGINNINGS = (("", "0"), ("", "9" * 400), ("?types=%00", "x"), ("?after=-1", "0"), ("?token=x", ""))
"""Of a live stream: its query, and the last event that was seen."""


def paths(token: str) -> Iterator[Case]:
    """Of nothing that is there, mostly."""
    own = with_token(token)
    for path in _odd_paths():
        yield Case(f"GET {path[:60]}", request("GET", path, own))
    for method in _METHODS:
        for path in _PLACES:
            yield Case(f"{method[:20]} {path}", request(method, path, own))
    for query, after in _BEGINNINGS:
        headers = {"Authorization": own["Authorization"], "Last-Event-ID": after}
        begun = request("GET", f"/api/v1/events/stream{query}", headers)
        yield Case(f"stream{query} after {after[:20]}", begun)


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
