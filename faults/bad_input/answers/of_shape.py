"""JSON that is no answer of a planner, at each level of the format, and agents that are not there or not free."""

from typing import Any

from faults.bad_input.answers.expected import End, fine, refused
from faults.bad_input.answers.kinds import Making, Spoiled, good_kind, kind, of, one, value_kind
from faults.bad_input.answers.odd_planner import in_json

# --- the shape of the answer

_NO_OBJECTS: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a text": "ready",
    "true": True,
    "a list": [{"results": []}],
}
for name, value in _NO_OBJECTS.items():
    value_kind(f"{name} as the answer", of(lambda _, value: value, value), refused("not a JSON object"))
value_kind("an empty object", lambda _: {}, refused("neither a status nor results"))
value_kind("another object", lambda _: {"assignment": {}, "error": "x"}, refused("neither a status nor results"))
value_kind("pending without an id", lambda _: {"status": "pending"}, refused("request_id"))
for dots in (".", ".."):
    answer = {"status": "pending", "request_id": dots}
    value_kind(f"{dots} as the job's id", of(lambda _, answer: answer, answer), refused("request_id"))
for odd_status in ("done?", "SUCCESSFUL", "", 5, -1.5, True, [], {}, ["ready"], {"ready": 1}, "x" * 50_000):
    value_kind(
        f"the status {str(odd_status)[:20]!r}, a {type(odd_status).__name__}",
        of(lambda _, odd: {"status": odd}, odd_status),
        refused("status"),
    )
for word in ("failed", "canceled", "cancelled"):
    value_kind(
        f"{word} with results", of(lambda made, word: made.good(status=word), word), refused("canceled", "failed")
    )
for name, odd_result in {
    "a number": 5,
    "zero": 0,
    "false": False,
    "true": True,
    "a text": "text",
    "an empty text": "",
    "a list of numbers": [5],
    "a list of nothing": [None],
    "a list of lists": [[]],
    "a list of texts": ["x" * 70_000],
    "an object of others": {"a": 1},
}.items():
    value_kind(f"results that are {name}", of(lambda made, odd: made.good(results=odd), odd_result), refused("results"))
value_kind(
    "a good entry and a bad one", lambda made: made.good(results=[made.entry(), made.entry(), 5]), refused("results[2]")
)
value_kind(
    "10,000 entries, the last one bad",
    lambda made: made.good(results=[made.entry(x=1)] * 3000 + [None]),
    refused("results[3000]"),
)
kind("no results")(lambda made: one(in_json(made.good(results=made.chance.choice([[], ...]))), fine()))
good_kind("one result that is no list", lambda made: made.good(results=made.entry()))
good_kind("only results", lambda made: made.good(status=...))
good_kind("an unknown status with results", lambda made: made.good(status="complete"))
good_kind("result in the singular", lambda made: {"status": "success", "result": {"drive": 1}})
good_kind(
    "fields that nobody knows", lambda made: made.good(odd={"x": [None, True]}, results=[made.entry(x=1, y=None)])
)
good_kind(
    "the agent's id as text", lambda made: made.good(results=[made.entry(agent_uuid=..., agent_id=str(made.agent[0]))])
)

_FIELDS: dict[str, list[Any]] = {
    "agent_id": ["x", "-1", "", 1.5, True, [], [1], {}, {"id": 1}, "9" * 5000, "٣"],
    "agent_uuid": [5, 1.5, True, ["x"], {"uuid": 1}, 10**30],
    "assignment_order": [-1, 1.5, "1", True, [], {}, "x" * 50_000],
    "on_assignment_failure": [5, True, "fail_mission", "FAIL", ["FAIL_MISSION"], {"a": 1}],
    "fallback_mission": [5, True, [], {}, ["odd"]],
    "instant_action": [5, True, "stop", [], {}, {"command": ""}, {"command": 5}, {"command": None}, ["x"]],
}
for field_name, odd_values in _FIELDS.items():

    def _odd_field(made: Making, name: str = field_name, values: list[Any] = odd_values) -> Spoiled:
        odd = made.chance.choice(values)
        fields = {name: odd} | ({"agent_uuid": ...} if name == "agent_id" else {})
        entries = [made.entry(), made.entry(**fields)]
        return one(in_json(made.good(results=entries)), refused(f"results[1].{name}"))

    # Each value, and not only some by chance, in a run of CI too.
    for turn, odd in enumerate(odd_values):
        kind(f"{field_name} {str(odd)[:20]!r}, a {type(odd).__name__}, {turn}")(
            of(lambda made, name, odd: _odd_field(made, name, [odd]), field_name, odd)
        )
value_kind("no agent", lambda made: made.good(results=[made.entry(agent_uuid=...)]), refused("results[0]"))
value_kind(
    "an agent without a name", lambda made: made.good(results=[made.entry(agent_uuid="")]), refused("results[0]")
)
value_kind("no assignment", lambda made: made.good(results=[made.entry(assignment=...)]), refused("results[0]"))
value_kind(
    "null as the assignment", lambda made: made.good(results=[made.entry(assignment=None)]), refused("results[0]")
)
value_kind(
    "two names of two agents",
    lambda made: made.good(results=[made.entry(agent_id=made.facts.bystander[0])]),
    refused("results[0]"),
)
_UNKNOWN = End("failed", "agent_unknown", ("results[1]",))
for nobody in (0, -1, -(2**63), 2**31, 2**63 - 1, 2**63, 10**30, 10**4000, 99_999_999):
    value_kind(
        f"the agent {str(nobody)[:20]} of {len(str(nobody))} digits, who is nobody",
        of(lambda made, nobody: made.good(results=[made.entry(), made.entry(agent_uuid=..., agent_id=nobody)]), nobody),
        _UNKNOWN,
    )
for stranger in ("nobody", "../../x", "%00", "'--", "*", "#", "x" * 200_000):
    value_kind(
        f"the agent {stranger[:20]!r}, who is nobody",
        of(lambda made, name: made.good(results=[made.entry(), made.entry(agent_uuid=name)]), stranger),
        _UNKNOWN,
    )


@kind("an agent of nobody's mission")
def _bystander(made: Making) -> Spoiled:
    own, other = made.entry(), made.entry(agent_uuid=made.facts.bystander[1])
    return one(in_json(made.good(results=[own, other])), fine(made.uuid, made.facts.bystander[1]))


for name, extra in {
    "an assignment": {},
    "a command": {"assignment": ..., "instant_action": {"command": "odd"}},
}.items():
    value_kind(
        f"{name} for an instrument that another mission holds",
        of(
            lambda made, extra: made.good(results=[made.entry(), made.entry(agent_uuid=made.facts.held[1], **extra)]),
            extra,
        ),
        End("failed", "agent_held", ("mission",)),
    )


# --- the order of dispatch

for name, order in {
    "a text": "01",
    "a long text": "x" * 100_000,
    "a number": 5,
    "zero": 0,
    "false": False,
    "an empty text": "",
    "an object": {"0": 1},
    "out of range": [[0], [2]],
    "far out of range": [[0], [10**30]],
    "below zero": [[0], [-1]],
    "an index twice": [[0, 1], [1]],
    "an index twice in a group": [[0, 0], [1]],
    "an index left out": [[0]],
    "groups of nothing": [[], []],
    "indexes as text": [["0"], ["1"]],
    "indexes with a point": [[0.0], [1.0]],
    "true for an index": [[0], [True]],
    "null for an index": [[0], [None]],
    "null for a group": [None, [0, 1]],
    "groups of groups": [[[0]], [[1]]],
    "objects for groups": [{"0": 1}, {"1": 0}],
    "a long text for an index": [[0], ["x" * 100_000]],
    "100,000 indexes": [[0, 1], list(range(2, 30_000))],
}.items():
    value_kind(
        f"a dispatch order: {name}",
        of(lambda made, order: made.good(results=[made.entry(), made.entry()], dispatch_order=order), order),
        refused("dispatch_order"),
    )
for name, order in {"null": None, "none": [], "flat": [1, 0], "empty groups between": [[], [1], [], [0]]}.items():
    kind(f"a dispatch order: {name}, which is fine")(
        of(
            lambda made, order: one(
                in_json(made.good(results=[made.entry(), made.entry()], dispatch_order=order)),
                fine(made.uuid, made.uuid),
            ),
            order,
        )
    )


# --- the steps after it

for name, odd_orchestration in {
    "a number": 5,
    "a text": "x" * 70_000,
    "a list": ["then"],
    "requests that are a list": {"next_step_request": ["then"]},
    "requests of an unknown step": {"next_step_request": {"nobody": {}}},
    "requests of itself": {"next_step_request": {"plan": {}}},
    "steps that are a text": {"allow_dependent_steps": "then"},
    "steps that are an object": {"allow_dependent_steps": {"then": 1}},
    "an unknown step": {"allow_dependent_steps": ["x" * 70_000]},
    "steps that are lists": {"allow_dependent_steps": [["then"]]},
    "steps that are numbers": {"allow_dependent_steps": [0, 1e300]},
}.items():
    value_kind(
        f"orchestration: {name}",
        of(lambda made, odd: made.good(orchestration=odd), odd_orchestration),
        refused("orchestration", "next_step_request", "allow_dependent_steps"),
        recipe="odd-steps",
    )


@kind("the next step's request is odd")
def _next_request(made: Making) -> Spoiled:
    odd: Any = made.chance.choice([5, "text", [], None, 1e308, "x" * 50_000, [[]] * 50])
    said = made.good(orchestration={"next_step_request": {"then": odd}})
    return one(in_json(said), fine(made.uuid, made.uuid), recipe="odd-steps")


kind("the next step is left out")(
    lambda made: one(
        in_json(made.good(orchestration={"allow_dependent_steps": []})), fine(made.uuid), recipe="odd-steps"
    )
)
