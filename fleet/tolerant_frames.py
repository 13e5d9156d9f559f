"""Keeps one message with unreadable properties from cutting the connection of everybody.

pamqp raises where it cannot decode a property (a timestamp beyond the year 9999, text that is no UTF-8), aiormq then
closes the connection, the broker delivers the message again, and so on: any agent could stop the intake of all (seen
with pamqp 4.0 and aiormq 7.2). So such a message gets one header that says what is wrong with it, and is dead-lettered.
"""

from pamqp import commands, header

UNREADABLE = "x-muster-unreadable"
"""Header of a message whose properties could not be decoded: why."""

_unmarshal = header.ContentHeader.unmarshal


def _tolerant(self: header.ContentHeader, data: bytes) -> None:
    try:
        _unmarshal(self, data)
    except Exception as error:
        # Size and class of the message are read before its properties, so the frames that follow stay in step.
        self.properties = commands.Basic.Properties(headers={UNREADABLE: f"{type(error).__name__}: {error}"})


def install() -> None:
    """Make this process tolerant; may be called again."""
    header.ContentHeader.unmarshal = _tolerant  # type: ignore[method-assign]
