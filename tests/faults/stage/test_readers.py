"""Which process has a queue's messages, from what the broker tells of its consumers."""

from faults.stage.readers import active, process_of


def test_the_active_one_of_two_consumers_is_found() -> None:
    waits = {"active": False, "channel_details": {"connection_name": "127.0.0.1:1 -> 127.0.0.1:5672"}}
    reads = {"active": True, "channel_details": {"connection_name": "127.0.0.1:2 -> 127.0.0.1:5672"}}
    assert active([waits, reads]) == "127.0.0.1:2 -> 127.0.0.1:5672"
    assert active([waits]) is None


def test_a_connection_names_its_process() -> None:
    assert process_of({"client_properties": {"connection_name": "muster intake 4711"}}) == 4711
    assert process_of({"client_properties": {"connection_name": "muster intake"}}) is None
    assert process_of({}) is None
