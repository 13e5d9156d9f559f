"""What an author of activity types needs (docs/adding-an-activity-type.md)."""

from activities.activity_types import ActivityFailed, Preset, Service, StepContext, activity_type

__all__ = ["ActivityFailed", "Preset", "Service", "StepContext", "activity_type"]
