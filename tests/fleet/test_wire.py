"""Messages on the wire: exact fields of what we send, tolerance for what agents send."""

import json
from pathlib import Path

import pytest

from fleet import wire
from fleet.signing import Signer, SigningKeyUnusable, verifies
from fleet.topology import Sender, read_routing_key
from fleet.wire import AssignmentMessage, BadMessage, Reason
from settings import Settings


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.load(Settings(data_dir=tmp_path_factory.mktemp("key")))


MESSAGE = AssignmentMessage(5, 12, 1, "2026-01-02 03:04:05", {"dependencies": []}, {"goal": 1, "metadata": {"m": 2}})


def test_reserve_and_release_hold_exactly_what_the_sdk_takes() -> None:
    assert wire.reserve("a", 12, ("drive",)) == {
        "type": "reserve_for_mission",
        "uuid": "a",
        "body": {"work_process_id": 12, "operation_types_required": ["drive"], "reserved": True},
        "_version": "2.0.0",
    }
    assert wire.release("a", 12) == {
        "type": "release_from_mission",
        "uuid": "a",
        "body": {"work_process_id": 12, "operation_types_required": [], "reserved": False},
        "_version": "2.0.0",
    }


def test_assignment_and_cancel_carry_the_same_six_keys() -> None:
    six = {"id", "work_process_id", "yard_id", "status", "start_time_stamp", "context"}
    assignment, cancel = wire.assignment("a", MESSAGE), wire.cancel("a", MESSAGE)
    assert set(assignment["metadata"]) == set(cancel["metadata"]) == six
    assert (assignment["type"], assignment["body"]) == ("assignment_execution", MESSAGE.data)
    assert cancel["body"] == {
        "assignment_id": 5,
        "data": {"metadata": {"type": "assignment_cancel", "custom_meta": {"m": 2}, "assignment_id": 5}},
    }
    assert wire.cancel("a", AssignmentMessage(5, 12, 1, "", {}, [1]))["body"]["data"]["metadata"]["custom_meta"] is None


def test_every_message_is_signed_over_its_exact_text(signer: Signer) -> None:
    outer = json.loads(wire.envelope({"text": "Gründe – ok"}, signer))
    assert set(outer) == {"message", "signature"}
    assert json.loads(outer["message"]) == {"text": "Gründe – ok"}
    assert verifies(outer["message"], outer["signature"], signer.public_pem)
    assert not verifies(outer["message"] + " ", outer["signature"], signer.public_pem)
    assert not verifies(outer["message"], "zz", signer.public_pem)
    assert not verifies(outer["message"], None, signer.public_pem)
    assert not verifies(outer["message"], outer["signature"], "no key")


def test_the_key_is_made_once_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    assert Signer.load(settings).public_pem == Signer.load(settings).public_pem
    (file,) = (tmp_path / "new").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    shared = Settings(data_dir=tmp_path / "other", signing_key_file=file)
    assert Signer.load(shared).public_pem == Signer.load(settings).public_pem


def test_a_broken_key_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(SigningKeyUnusable, match="key"):
        Signer.load(Settings(signing_key_file=tmp_path / "key"))


def test_envelopes_are_optional() -> None:
    bare = {"type": "agent_state", "uuid": "a", "body": {"status": "free"}}
    inner = wire.read_envelope(json.dumps(bare).encode())
    assert (inner.type, inner.uuid, inner.body, inner.signature) == ("agent_state", "a", {"status": "free"}, None)


def test_a_signature_may_be_a_list_of_numbers() -> None:
    body = json.dumps({"message": json.dumps({"uuid": "a"}), "signature": [1, 255]}).encode()
    assert wire.read_envelope(body).signature == "01ff"


def test_too_large_messages_are_not_even_parsed() -> None:
    with pytest.raises(BadMessage) as caught:
        wire.read_envelope(b"x" * (wire.MAX_MESSAGE_BYTES + 1))
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("key", "sender"),
    [
        ("agent.truck-1.state", Sender("truck-1", "state")),
        ("agent.a_B-9.checkin", Sender("a_B-9", "checkin")),
        ("agent..state", None),
        ("agent.a.b.state", None),
        ("agent.*.state", None),
        ("yard.one.visualization", None),
        ("agent." + "a" * 65 + ".state", None),
        ("agent.a\n.state", None),
    ],
)
def test_routing_keys(key: str, sender: Sender | None) -> None:
    assert read_routing_key(key) == sender
