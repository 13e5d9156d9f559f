"""How workflows call Muster's own activities: by name, with options and one line for the UI."""

from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel
from temporalio import workflow

from workflows.options import SHORT, ActivityOptions

Result = TypeVar("Result")


async def act(
    name: StrEnum, call: BaseModel, result: type[Result] | None, summary: str, options: ActivityOptions = SHORT
) -> Result:
    """Call one of the mission's or queue's own activities."""
    answer: Result = await workflow.execute_activity(name, call, result_type=result, summary=summary[:200], **options)
    return answer
