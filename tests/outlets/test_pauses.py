from outlets.pauses import pause_before


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_before(attempt, first=1, longest=30) for attempt in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert pause_before(10_000, first=1, longest=30) == 30
