"""Events may come again, but none is left out."""

from faults.stage.listener import Listener


def heard(*sequences: int) -> Listener:
    listener = Listener("", "")
    for sequence in sequences:
        listener.hear(sequence, "task.created")
    return listener


def test_events_in_their_order_are_well_wherever_they_begin_and_may_come_again() -> None:
    listener = heard(5, 6, 7, 6, 7, 8)
    assert (listener.wrong, listener.last, listener.repeated) == ([], 8, 2)


def test_an_event_that_is_left_out_or_comes_too_early_is_found() -> None:
    assert heard(5, 7).wrong == ["after event 5 a listener at RabbitMQ heard event 7 (task.created)"]
    assert len(heard(1, 3, 2, 4).wrong) == 1
