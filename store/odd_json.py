"""JSON from outside that PostgreSQL would refuse, made such that it takes it: oddities must not cost the rest."""

import json
import logging
import re
from typing import Any

log = logging.getLogger(__name__)

# NUL as JSON writes it, behind an even number of backslashes.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(value: Any, what: str) -> str | None:
    """The value as JSON text; NUL and halves of surrogate pairs replaced, None for a number beyond all bounds.

    `what` it is, for the log.
    """
    try:
        said = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        log.warning("%s is dropped: it holds a number beyond all bounds", what)
        return None
    stored = _NUL.sub(r"\1\\ufffd", said).encode(errors="replace").decode()
    if stored != said:
        log.warning("characters in %s are replaced: no database takes them", what)
    return stored
