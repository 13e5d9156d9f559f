from cli.stack.restarts import AT_ONCE, MOST, Restarts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_pause_grows_until_it_is_given_up() -> None:
    restarts = Restarts(Clock())
    pauses = [restarts.pause() for _ in range(MOST + 1)]
    assert pauses == [0.5, 1, 2, 4, 8, None]


def test_who_stayed_up_for_a_while_begins_anew() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(MOST):
        restarts.pause()
    restarts.started()
    clock.now += AT_ONCE
    assert restarts.pause() == 0.5
