"""What the models of the API share."""

from typing import Annotated, Generic, TypeVar

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from missions.requests import MAX_ID, Request, find_unstorable

Item = TypeVar("Item")


class Resource(BaseModel):
    """What the API answers: camelCase, read from rows with the columns' names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Page(Resource, Generic[Item]):
    """One page of a list. `nextCursor`: pass it as `cursor` for the next page; null at the end."""

    items: list[Item]
    next_cursor: str | None = Field(None, examples=[None])


def storable(text: str) -> str:
    """The text, if PostgreSQL can hold it; raises ValueError."""
    found = find_unstorable(text)
    if found is not None:
        raise ValueError(f"{found.detail}; {found.remedy}")
    return text


PathId = Annotated[int, Path(ge=1, le=MAX_ID, description="id", examples=[1])]
QueryText = Annotated[str, AfterValidator(storable), Field(max_length=200)]
Moment = AwareDatetime


class PageQuery(Request):
    """How much of a list, and from where."""

    # Query values arrive as text.
    model_config = ConfigDict(strict=False)

    limit: int = Field(50, ge=1, le=200, description="items per page")
    cursor: QueryText | None = Field(None, description="`nextCursor` of the page before")
