"""Which constraint a refused write met, so that its user can be told."""

from sqlalchemy.exc import IntegrityError


def violated(error: IntegrityError) -> str:
    """The name of the constraint, or an empty text."""
    cause = error.orig.__cause__ if error.orig is not None else None
    return str(getattr(cause, "constraint_name", None) or "")
