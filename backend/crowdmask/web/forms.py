"""What the forms of all features share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator


class Form(BaseModel):
    """A request's body: nothing unknown, no NaN, no U+0000 in a text; may have defaults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    @field_validator("*", mode="after")
    @classmethod
    def _is_storable(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("holds the character U+0000, which cannot be stored")
        return value


class Answer(BaseModel):
    """An answer's body: no defaults, so that the client's types are exact. Made from rows and values by attribute."""

    model_config = ConfigDict(from_attributes=True)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(_utc)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
LabelIndex = Annotated[int, Field(ge=1, le=255)]
LabelIndices = Annotated[list[LabelIndex], Field(min_length=1, max_length=255)]
