"""The messages that are thrown at Muster: repeatable, of all kinds, each with its fate."""

from faults.bad_input.messages.fates import Fate, Message, Tally, dead
from faults.bad_input.messages.making import Facts, Speaker
from faults.bad_input.messages.mutations import Mutations
from fleet.wire import Reason
from settings import Settings

_FACTS = Facts("yard", 1, "retired", 2, 3, "holder", "recipe", {"speaker": "answers", "anonymous": "answers"})


def _messages(seed: int, many: int = 300) -> list[Message]:
    mutations, speaker = Mutations(Settings(), seed, _FACTS), Speaker("speaker", "vehicle", "not_automatable")
    return [mutations.bad(speaker) for _ in range(many)] + [mutations.of_others() for _ in range(50)]


def test_same_seed_makes_the_same_messages() -> None:
    assert [(one.kind, one.fate) for one in _messages(7)] == [(one.kind, one.fate) for one in _messages(7)]


def test_other_seed_makes_other_messages() -> None:
    assert [one.kind for one in _messages(7)] != [one.kind for one in _messages(8)]


def test_each_kind_and_fate_of_an_agents_messages_occurs() -> None:
    tally = Tally()
    for message in _messages(7, 1_500):
        tally.add(message)
    assert len(tally.kinds) > 15
    assert {Fate.DEAD, Fate.ANSWERED, Fate.TAKEN} <= set(tally.fates)
    assert tally.bad == tally.fates.total()


def test_tally_keeps_dead_letters_by_word_and_reason() -> None:
    tally = Tally()
    fate, reason = dead(Reason.INVALID)
    tally.add(Message("odd", "ul", b"agent.x.state", b"", fate, reason))
    assert dict(tally.kept) == {("state", str(Reason.INVALID)): 1}


def test_each_kind_of_a_strangers_messages_occurs() -> None:
    mutations = Mutations(Settings(), 7, _FACTS)
    messages = [mutations.of_a_stranger(["speaker"]) for _ in range(400)]
    assert {message.reason for message in messages} == {
        "token",
        "invalid",
        "unknown_agent",
        *(Reason.UNKNOWN_TYPE, Reason.BAD_ROUTING_KEY, Reason.UUID_MISMATCH, Reason.NOT_JSON),
    }
    assert {message.exchange for message in messages} == {Settings().anonymous_exchange}
