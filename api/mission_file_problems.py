"""What is wrong with a mission file, as the API tells it: a problem for each place."""

from collections.abc import Sequence

from api.problems import FieldProblem, Refused
from missions.mission_files.issues import Issue


def refused(errors: Sequence[Issue]) -> Refused:
    """The refusal of a file; every error at once."""
    return Refused(
        [
            FieldProblem(
                field=f"missionYaml:{issue.line}:{issue.column}",
                value=issue.text,
                detail=issue.message,
                remedy=issue.remedy,
            )
            for issue in errors
        ]
    )
