"""Read agents' reports from the store, and raise a person's attention: what a mission does when it has waited long."""

from temporalio import activity

from activities.parts import Parts
from missions.contracts import Activity, AssignmentsChecked, CheckAssignments, RaiseAttention
from store import assignments, attention


class Checker:
    """The activities `check_assignments` and `raise_attention`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @activity.defn(name=Activity.CHECK_ASSIGNMENTS)
    async def check_assignments(self, call: CheckAssignments) -> AssignmentsChecked:
        """What the store knows of these assignments now."""
        async with self._parts.database.transaction() as connection:
            found = await assignments.statuses(connection, call.assignment_ids)
        return AssignmentsChecked(statuses={str(key): value for key, value in found.items()})

    @activity.defn(name=Activity.RAISE_ATTENTION)
    async def raise_attention(self, call: RaiseAttention) -> None:
        """Say on the mission that a person should look; once for each code and assignment."""
        async with self._parts.database.transaction() as connection:
            await attention.raise_(connection, call)
