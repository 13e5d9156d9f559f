"""Assignment rows as messages on the wire."""

from typing import Any

from fleet.downlink import AgentAddress, AssignmentMessage
from missions.events import utc_now


def address(row: Any) -> AgentAddress:
    """The agent of an assignment row."""
    return AgentAddress(row["agent_id"], row["agent_uuid"], row["protocol"])


def message(row: Any, dependencies: list[dict[str, Any]] | None = None) -> AssignmentMessage:
    """The message of an assignment row, for its dispatch and for its cancel."""
    return AssignmentMessage(
        id=row["id"],
        work_process_id=row["work_process_id"],
        yard_id=row["yard_id"],
        start_time_stamp=row["start_time_stamp"] or start_time(),
        context={"dependencies": dependencies or []},
        data=row["data"],
    )


def start_time() -> str:
    """Now, as helyOS writes it into assignments: `YYYY-MM-DD HH:MM:SS`, UTC."""
    return utc_now().strftime("%Y-%m-%d %H:%M:%S")
