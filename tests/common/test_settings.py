"""Settings: what annotations allow is what can be made, in Python as in a recipe."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import TypeAdapter, ValidationError

from tinyclap.common.checks import NotAllowedError
from tinyclap.common.settings import Conflicts, Settings
from tinyclap.data.view_spec import ViewSpec
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import EncoderConfig, StudentConfig
from tinyclap.strict_yaml.sections import Section
from tinyclap.training.options import DistillOptions, PretrainOptions


@dataclass(frozen=True)
class Example(Settings):
    place: ClassVar[str] = "example"

    count: Annotated[int, Ge(1), Le(9)] = 1
    share: Annotated[float, Gt(0), Lt(1)] | None = None
    kind: Literal["a", "b"] = "a"
    on: bool = False
    sizes: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (1,)
    pair: tuple[Literal[1, 2], Literal[1, 2]] = (1, 2)
    name: str = "x"

    def conflicts(self) -> Conflicts:
        if self.on and self.kind == "b":
            yield "kind", '"a" with on: true'
            yield "on", "false with kind: b"


class Recipe(Section):
    example: Example


WRONG: list[tuple[str, Any, str]] = [
    ("count", 0, "a whole number >= 1 and <= 9"),
    ("count", 10, "a whole number >= 1 and <= 9"),
    ("count", 1.0, "a whole number >= 1 and <= 9"),
    ("count", True, "a whole number >= 1 and <= 9"),
    ("share", 0.0, "a number > 0 and < 1 or null"),
    ("share", 1, "a number > 0 and < 1 or null"),
    ("share", math.nan, "a number > 0 and < 1 or null"),
    ("share", "0.5", "a number > 0 and < 1 or null"),
    ("kind", "c", '"a" or "b"'),
    ("kind", None, '"a" or "b"'),
    ("on", 1, "true or false"),
    ("sizes", (), "a list of values, each a whole number >= 0 of 1 or more"),
    ("sizes", (1, -1), "a list of values, each a whole number >= 0 of 1 or more"),
    ("pair", (1, 3), "a list of 2 values, each 1 or 2"),
    ("pair", (1, 2, 1), "a list of 2 values, each 1 or 2"),
    ("name", 3, "text"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_value_outside_is_named_with_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        Example(**{name: value})
    assert str(caught.value) == f"example: {name} = {value!r} is not allowed; it must be {allowed}"
    assert repr(caught.value.faults) == repr(((name, value, allowed),))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, value, _ in WRONG if value is not math.nan])
def test_a_recipe_refuses_what_python_refuses(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate({"example": {name: value}})


def test_edges_are_allowed_and_lists_become_tuples() -> None:
    made = Example(count=9, share=0.999, sizes=[0, 4], pair=[2, 1])  # type: ignore[arg-type]
    assert (made.count, made.share, made.sizes, made.pair) == (9, 0.999, (0, 4), (2, 1))


def test_values_that_do_not_go_together_are_all_told() -> None:
    with pytest.raises(
        NotAllowedError, match="example: kind = 'b' is not allowed; it must be \"a\" with on: true"
    ) as one:
        Example(on=True, kind="b")
    assert [name for name, _, _ in one.value.faults] == ["kind", "on"]


@pytest.mark.parametrize(
    "kind", [ViewSpec, PhiNetConfig, EncoderConfig, StudentConfig, DistillOptions, PretrainOptions]
)
def test_defaults_are_allowed_and_the_same_in_a_recipe(kind: type) -> None:
    assert TypeAdapter(kind).validate_json("{}") == kind()


def test_a_trunk_knows_what_was_left_to_its_variant() -> None:
    given = PhiNetConfig(activation="hardswish")
    assert given == PhiNetConfig()
    assert given.left_open == {"squeeze_excite", "dropout"}
    assert PhiNetConfig(compatibility=True).activation == "relu6"
