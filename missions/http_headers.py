"""What may stand in the header of an HTTP request: any other name or value could not be sent at all."""

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")

# They belong to the way in which the request is sent.
_OF_THE_SENDER = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def _sendable_value(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError("it cannot be sent in a header; use letters, digits and signs of ASCII, on one line")
    return value


def _sendable_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header; use letters, digits and hyphens")
    if name.lower() in _OF_THE_SENDER:
        raise ValueError(f"the header {name!r} is written by whoever sends the request; leave it out")
    return name


HeaderValue = Annotated[str, AfterValidator(_sendable_value)]
HeaderName = Annotated[str, AfterValidator(_sendable_name)]
