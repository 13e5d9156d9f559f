"""How events of instruments are called: a command that was done is one, under two names (mission files, C.4)."""

_DONE = "DRIVER_EVENT_"


def both_forms(name: str) -> tuple[str, str]:
    """A command's name as it is written in commands, and as its event is called by those who subscribe to it.

    `STOP_AUTOSAMPLE` and `DRIVER_EVENT_STOP_AUTOSAMPLE`: a thread may wait for either.
    """
    plain = name.removeprefix(_DONE)
    return plain, _DONE + plain
