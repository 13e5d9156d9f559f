"""Who acts: passed through every write, and stored with it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class PrincipalKind(StrEnum):
    """What sort of actor it is."""

    CLIENT = "client"
    AGENT = "agent"
    OPERATOR = "operator"
    SYSTEM = "system"


class Principal(BaseModel):
    """One actor: its kind, its id within that kind and its role."""

    model_config = ConfigDict(frozen=True)

    kind: PrincipalKind
    id: str
    role: str = "application"


MUSTER = Principal(kind=PrincipalKind.SYSTEM, id="muster", role="system")
ENGINE_OPERATOR = Principal(kind=PrincipalKind.OPERATOR, id="temporal", role="operator")
