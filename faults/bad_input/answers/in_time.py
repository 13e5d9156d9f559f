"""Jobs that are polled, and missions that are tried again: answers that contradict each other."""

from faults.bad_input.answers.expected import End, fine, late, refused
from faults.bad_input.answers.kinds import LIMIT, Making, Spoiled, good_head, kind, of
from faults.bad_input.answers.odd_planner import Answer, Then, http, in_json

# --- polls

kind("pending for ever, with another id each time")(
    lambda made: Spoiled(tuple(made.pending(n) for n in range(40)), (late("pending"),), "odd-short")
)
kind("pending, then empty answers for ever")(
    lambda made: Spoiled((made.pending(), http(b"")), (late("pending"),), "odd-short")
)
kind("pending, then HTTP 503 for ever")(
    lambda made: Spoiled((made.pending(), in_json({}, 503)), (late("HTTP 503"),), "odd-short")
)
kind("pending, then a body in drops")(
    lambda made: Spoiled((made.pending(), Answer(b"HTTP/1.1 200 OK\r\n\r\n", Then.DRIP, b" ")), (late(),), "odd-short")
)
for name, later, words in (
    ("failed", in_json({"status": "failed"}), ("failed",)),
    ("canceled", in_json({"status": "canceled"}), ("canceled",)),
    ("no JSON", http(b"<html>"), ("no JSON",)),
    ("another shape", in_json([]), ("not a JSON object",)),
    ("an unknown status", in_json({"status": "thinking"}), ("thinking",)),
    ("nothing that says anything", in_json({}), ("neither a status nor results",)),
    ("HTTP 404", in_json({}, 404), ("HTTP 404",)),
    ("HTTP 500", in_json({}, 500), ("HTTP 500",)),
    ("HTTP 302", http(b"", 302, "Found", Location="/good/"), ("HTTP 302",)),
    ("a byte too many", http(b" " * (LIMIT + 1)), ("MUSTER_MAX_RESPONSE_BYTES",)),
    ("broken gzip", http(b"x" * 50, Content_Encoding="gzip"), ("cannot be read",)),
    ("an odd id", in_json({"status": "pending", "request_id": "\n"}), ("request_id",)),
    ("NUL", http(rb'{"results": [{"a": "\u0000"}]}'), ("NUL",)),
):
    kind(f"pending, then {name}")(
        of(lambda made, later, words: Spoiled((made.pending(), later), (refused(*words),)), later, words)
    )
for odd_id in ("a b", "../../good/", "?x=1#y", "%00%2f", "é😀", "'\"<>\\", "x" * 900, "//", ";:@&=+$,", "."):
    kind(f"the job {odd_id[:20]!a}")(
        of(
            lambda made, odd: Spoiled(
                (made.pending(odd), in_json({"status": "pending"}), in_json(made.good())),
                (fine(made.uuid, retried=True),),
            ),
            odd_id,
        )
    )


@kind("polls that contradict each other")
def _contradicts(made: Making) -> Spoiled:
    between = [
        made.pending("other"),
        http(b""),
        in_json({}, 502),
        Answer(b"", Then.RESET),
        Answer(good_head(made)[:-5]),
        in_json({"status": "pending", "request_id": 5, "results": [5]}),
    ]
    made.chance.shuffle(between)
    answers = (made.pending(), *between[:3], in_json(made.good(request_id="another")))
    return Spoiled(answers, (fine(made.uuid, retried=True),))


# --- attempts


@kind("the first attempt's answer is odd, the second's is good")
def _again(made: Making) -> Spoiled:
    odd = made.chance.choice([in_json({}, 500), in_json([]), http(b"<html>"), in_json(made.good(dispatch_order=[[7]]))])
    return Spoiled((odd, in_json(made.good())), (fine(made.uuid, retried=True),), "odd-again")


kind("both attempts' answers are odd")(
    lambda made: Spoiled(
        (in_json([]), http(b"<html>")), (End("failed", "planning_failed", ("no JSON",), retried=True),), "odd-again"
    )
)
