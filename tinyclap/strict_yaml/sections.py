"""What all sections of a recipe share: strictness, conflicts between values, and the ranges of common numbers."""

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tinyclap.common.files import PATH_RULE, can_name_file


class Section(BaseModel):
    """A part of a recipe. Unknown keys, text for a number, a number for a truth value, NaN: all are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Values that are fine alone but not together: (dotted key, what is wrong and what is allowed)."""
        return iter(())

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        found = list(self.conflicts())
        if found:
            raise PydanticCustomError("conflicts", "{found}", {"found": found})
        return self


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise PydanticCustomError(
            "rule", "{allowed}", {"allowed": "letters, digits, '.', '_' and '-' (the run folder is named after it)"}
        )
    return value


def _path(value: str) -> str:
    if not can_name_file(value):
        raise PydanticCustomError("rule", "{allowed}", {"allowed": PATH_RULE})
    return value


def _template(value: str) -> str:
    if value.count("{}") != 1 or re.search(r"[{}]", value.replace("{}", "")):
        raise PydanticCustomError("rule", "{allowed}", {"allowed": "a text with {} once, where the class name goes"})
    return value


Text = Annotated[str, Field(min_length=1)]
PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]
Name = Annotated[str, AfterValidator(_name)]
Template = Annotated[str, AfterValidator(_template)]
Templates = Annotated[tuple[Template, ...], Field(min_length=1)]
Labels = Annotated[tuple[Text, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Count = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=8192)]
