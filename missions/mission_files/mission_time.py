"""A mission's own time: the clock's, or one that goes faster, for demos and tests."""

from dataclasses import dataclass
from datetime import UTC, datetime

LATEST = datetime(9999, 12, 30, tzinfo=UTC)
"""What would be later than this never comes; a day before the last one that a datetime holds, in any time zone."""


@dataclass(frozen=True)
class MissionTime:
    """`anchor` at the real moment `anchored_at`, and from there `scale` times as fast; all aware, in UTC.

    Scale 1 and `anchor` == `anchored_at` is ordinary time.
    """

    anchored_at: datetime
    anchor: datetime
    scale: float

    def at(self, real: datetime) -> datetime:
        """The mission's time at a real moment."""
        try:
            return min(self.anchor + (real - self.anchored_at) * self.scale, LATEST)
        except OverflowError:
            return LATEST

    def real(self, moment: datetime) -> datetime:
        """The real moment at which the mission's time is this."""
        try:
            return min(self.anchored_at + (moment - self.anchor) / self.scale, LATEST)
        except OverflowError:
            return LATEST
