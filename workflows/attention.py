"""Say on the mission that a person should look."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Activity, RaiseAttention

from workflows.mission import Mission


async def raise_attention(mission: Mission, code: str, text: str, assignment_id: int | None = None) -> None:
    """Say that a person should look."""
    call = RaiseAttention(**mission.call(), code=code, text=text, assignment_id=assignment_id)
    await mission.act(Activity.RAISE_ATTENTION, call, None, f"raise attention: {code}")
