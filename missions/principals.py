"""Who acts: passed through every write, and stored with it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class PrincipalKind(StrEnum):
    """What sort of actor it is."""

    CLIENT = "client"
    AGENT = "agent"
    OPERATOR = "operator"
    SYSTEM = "system"


class Principal(BaseModel):
    """One actor: its kind, its id within that kind and its role."""

    model_config = ConfigDict(frozen=True)

    kind: PrincipalKind = Field(description="what sort of actor")
    id: str = Field(description="which of them; of an agent its uuid")
    role: str = Field("application", description="what it acts as")


MUSTER = Principal(kind=PrincipalKind.SYSTEM, id="muster", role="system")
ENGINE_OPERATOR = Principal(kind=PrincipalKind.OPERATOR, id="temporal", role="operator")
