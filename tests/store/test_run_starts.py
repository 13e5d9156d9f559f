from store.run_starts import shown_agents


def test_agents_that_the_engine_can_show_are_as_many_as_fit_into_its_limit() -> None:
    short = [f"truck-{n}" for n in range(3)]
    assert shown_agents(short) == short
    long = [f"{n:064d}" for n in range(100)]
    shown = shown_agents(long)
    assert shown == long[: len(shown)]
    assert 0 < sum(map(len, shown)) < 2048
