from cli.stack.restarts import AT_ONCE, LONG, MOST, Restarts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pauses(lives: list[float]) -> list[float | None]:
    """After each life, one after the other."""
    clock = Clock()
    restarts = Restarts(clock)
    found = []
    for life in lives:
        restarts.started()
        clock.now += life
        found.append(restarts.pause())
    return found


def test_the_pause_grows_until_it_is_given_up() -> None:
    assert pauses([0] * (MOST + 1)) == [0.5, 1, 2, 4, 8, None]


def test_who_ends_again_and_again_but_not_at_once_is_started_more_and_more_rarely() -> None:
    assert pauses([AT_ONCE] * 9) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_who_lived_for_long_begins_anew() -> None:
    assert pauses([*[0] * MOST, LONG, 0]) == [0.5, 1, 2, 4, 8, 0.5, 1]


def test_only_ends_at_once_count_to_giving_up() -> None:
    assert pauses([*[0] * MOST, AT_ONCE, *[0] * MOST])[-1] == 30
