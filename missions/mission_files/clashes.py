"""Whether two timed threads would have one instrument at the same time: exact, on both their grids, without simulation.

A thread has its instruments in the windows [start, start + waits of its mission sequence], ends included; commands
take no time here.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm


@dataclass(frozen=True)
class Windows:
    """When a thread has its instruments. Seconds; `count` None: for ever; `interval` None: once."""

    start: int
    length: Fraction
    interval: Fraction | None = None
    count: int | None = 1

    def endless(self) -> "Windows":
        """The same grid without an end."""
        return Windows(self.start, self.length, self.interval, None if self.interval else 1)


def overlap(one: Windows, other: Windows) -> bool:
    """Whether any two of their windows overlap."""
    return _grid(one, other).meets(one.count, other.count)


def first_overlap(one: Windows, other: Windows) -> Fraction | None:
    """When the first window of `other` begins that overlaps one of `one`, in seconds; None: none does."""
    first = _grid(one, other).first(one.count, other.count)
    return None if first is None else other.start + first * (other.interval or Fraction(0))


def _grid(one: Windows, other: Windows) -> "_Grid":
    p, q = one.interval or Fraction(1), other.interval or Fraction(1)
    apart = Fraction(other.start - one.start)
    low, high = -other.length - apart, one.length - apart
    scale = lcm(p.denominator, q.denominator, low.denominator, high.denominator)
    return _Grid(*(int(value * scale) for value in (p, q, low, high)))


@dataclass(frozen=True)
class _Grid:
    """Windows i and j overlap where `low <= j * q - i * p <= high`. All in one unit, as whole numbers."""

    p: int
    q: int
    low: int
    high: int

    def meets(self, m: int | None, n: int | None) -> bool:
        """Whether there are such i < m and j < n."""
        return self._pairs(*self._bounded(m, n)) > 0

    def first(self, m: int | None, n: int | None) -> int | None:
        """The smallest such j."""
        m, n = self._bounded(m, n)
        if not self._pairs(m, n):
            return None
        first, last = 0, n - 1
        while first < last:
            middle = (first + last) // 2
            if self._pairs(m, middle + 1):
                last = middle
            else:
                first = middle + 1
        return first

    def _bounded(self, m: int | None, n: int | None) -> tuple[int, int]:
        """The same question without endless loops."""
        if n is None:
            # The distances repeat after p / gcd steps, once there may be an i.
            n = max(0, -(-self.high // self.q)) + self.p + 1
            if m is not None:
                n = min(n, max(0, ((m - 1) * self.p + self.high) // self.q + 1))
        if m is None:
            m = max(0, ((n - 1) * self.q - self.low) // self.p + 1)
        return m, n

    def _pairs(self, m: int, n: int) -> int:
        """How many windows overlap."""
        return self._at_most(m, n, -self.low) - self._at_most(m, n, -self.high - 1)

    def _at_most(self, m: int, n: int, shift: int) -> int:
        """Sum over 0 <= j < n of how many i in 0 .. m - 1 have `i * p <= j * q + shift`."""
        # The first j with at least one i, and the first with all m.
        some = min(n, max(0, -(shift // self.q)))
        every = max(some, min(n, -((shift - (m - 1) * self.p) // self.q)))
        between = every - some
        return between + floor_sum(between, self.p, self.q, some * self.q + shift) + (n - every) * m


def floor_sum(count: int, divisor: int, step: int, offset: int) -> int:
    """Sum of `(step * k + offset) // divisor` over 0 <= k < count, in as many steps as Euclid's algorithm."""
    total = 0
    while count > 0:
        total += (count - 1) * count // 2 * (step // divisor) + count * (offset // divisor)
        step, offset = step % divisor, offset % divisor
        highest = step * count + offset
        if highest < divisor:
            break
        count, offset, divisor, step = highest // divisor, highest % divisor, step, divisor
    return total
