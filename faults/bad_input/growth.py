"""Whether a program's memory is flat."""

from collections.abc import Sequence

_WARM, _GROWTH, _SLACK = 0.3, 1.10, 20.0
_ENOUGH = 10


def growth(megabytes: Sequence[float]) -> tuple[float, float] | None:
    """What it held at most before and in the end, if that is more; `megabytes`: at even distances, until the end.

    Of what it held after it was warm, the last third is within a tenth of the third before; a few are not judged.
    """
    warm = megabytes[round(_WARM * len(megabytes)) :]
    third = len(warm) // 3
    if third < _ENOUGH:
        return None
    before, after = max(warm[third : 2 * third]), max(warm[-third:])
    return (before, after) if after > before * _GROWTH + _SLACK else None
