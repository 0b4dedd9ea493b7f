"""The values that a setting of the configuration may have: types, bounds, lists and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, NoReturn, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

# ---- Blocks of keys ------------------------------------------------------------------------------


class ConfigBlock(BaseModel):
    """A block of ``key: value`` lines. Unknown keys are errors; null means an omitted key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, settings: object) -> object:
        if not isinstance(settings, Mapping):
            return settings
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {k: v for k, v in settings.items() if v is not None or k not in known}


def refuse(key: str | tuple[str | int, ...], problem: str, expected: str = "") -> NoReturn:
    """Raise a validation error from within a validator.

    Parameters
    ----------
    key
        The key of the wrong value, relative to the block or value that is validated; may be ``()``.
    problem
        What is wrong, e.g. "is missing" or "is {value} next to name {name}". {value} stands for the
        value of the key, and other names for those of the keys of its block.
    expected
        What was expected, and the remedy after a semicolon; by default the description of the
        key's type.
    """
    path = (key,) if isinstance(key, str) else key
    context = {"key": path, "problem": problem, "expected": expected}
    raise PydanticCustomError("refused", "{problem}: expected {expected}", context)


# ---- One value -----------------------------------------------------------------------------------


def _as_whole(value: object) -> object:
    """Return 100 for 100.0; strict validation then rejects every non-integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_label(value: object) -> object:
    """Return the width 100, or 100.0, as text."""
    whole = _as_whole(value)
    return str(whole) if type(whole) is int else value


WHOLE = BeforeValidator(_as_whole)
"""Validator for integers; it follows the bounds, so that pydantic applies them to the integer."""

_WIDTHS = "^[1-9][0-9]{0,4}(x[1-9][0-9]{0,4})*$"
Hidden = Annotated[
    str,
    Field(pattern=_WIDTHS),
    BeforeValidator(_as_label),
    WithJsonSchema(
        {
            "title": 'a width (1 to 99999, or "400x200" for two layers)',
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 99999},
                {"type": "string", "pattern": _WIDTHS},
            ],
        }
    ),
]
Preprocessing = Literal["raw", "standardize", "whiten"]
TrainSize = Annotated[int, Field(ge=2, le=100_000_000), WHOLE]
BatchSize = Annotated[int, Field(ge=1), WHOLE] | Literal["full"]
LearningRate = Annotated[float, Field(gt=0, le=1000)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
WeightDecay = Annotated[float, Field(ge=0, le=1000)]
LabelNoise = Annotated[float, Field(ge=0, le=1)]
Updates = Annotated[int, Field(ge=1, le=1_000_000_000), WHOLE]
Epochs = Annotated[float, Field(gt=0, le=10_000)]
PriorPrecision = Annotated[float, Field(ge=1e-15, le=1e15)]
EvenSize = Annotated[int, Field(ge=2, multiple_of=2), WHOLE]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE]
SeedCount = Annotated[int, Field(ge=1, le=10_000, title="a number of seeds from 1 to 10000"), WHOLE]

# ---- Several values ------------------------------------------------------------------------------

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    for i, value in enumerate(values):
        if value in values[:i]:
            refuse((), f"is {{value}}, with {value} twice", "different values; remove one")
    return values


ListOf = Annotated[
    list[T],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
"""Different values in brackets, at least one."""


def _form(value: object) -> str:
    """Return whether a value is a list, a range, or a single value."""
    if isinstance(value, (list, tuple)):
        return "list"
    return "range" if isinstance(value, (Mapping, ConfigBlock)) else "value"


Step = Annotated[float, Field(gt=0, le=100)]
_MAX_DECADES = 40
"""A range over more is a slip; beyond 308, its ratio would exceed the numbers of a computer."""
_ONE_STEP = "one of per_decade and per_octave"


class _Steps(ConfigBlock):
    """How a range is divided: exactly one of its keys is given."""

    per_decade: Step | None = Field(None, description="Number of steps for a factor of ten.")
    per_octave: Step | None = Field(None, description="Number of steps for a factor of two.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.per_octave is None and self.per_decade is None:
            refuse((), "is {value}, which has no step", f"{_ONE_STEP}; add one")
        if self.per_octave is not None and self.per_decade is not None:
            problem = "is {value}, which has two kinds of step"
            refuse((), problem, f"{_ONE_STEP}; remove one, or set it to null")
        return self

    @property
    def steps_per_octave(self) -> float:
        """Number of steps for a factor of two."""
        if self.per_octave is not None:
            return self.per_octave
        assert self.per_decade is not None, "one of the two is given"
        return self.per_decade * math.log10(2)


class Range(_Steps):
    """Values that are evenly spaced in the logarithm between two ends, both included."""

    start: float = Field(alias="from", description="The first value, above 0.")
    stop: float = Field(alias="to", description="The last value, at least the first.")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.stop < self.start:
            refuse("to", "is {value}", f"at least from, which is {self.start:g}; exchange them")
        if math.log10(self.stop) - math.log10(self.start) > _MAX_DECADES:
            most = f"at most {_MAX_DECADES} decades above from, which is {self.start:g}"
            refuse("to", "is {value}", f"{most}; make the range smaller")
        return self

    def values(self) -> list[float]:
        """Return the values; the last step is shorter where it does not fall on the end."""
        steps = self.steps_per_octave
        if self.stop == self.start:
            return [self.stop]
        # The last step is dropped where it falls on the end itself, to within rounding.
        count = max(1, math.ceil(math.log2(self.stop / self.start) * steps - 1e-9))
        return [self.start * 2 ** (k / steps) for k in range(count)] + [self.stop]


class TrainSizeRange(Range):
    """Training set sizes, rounded to whole numbers."""

    start: TrainSize = Field(alias="from", description="The first value.")
    stop: TrainSize = Field(alias="to", description="The last value, at least the first.")


class LearningRateRange(Range):
    """Learning rates, of 4 digits within the range."""

    start: LearningRate = Field(alias="from", description="The first value.")
    stop: LearningRate = Field(alias="to", description="The last value, at least the first.")


class WeightDecayRange(Range):
    """L2 coefficients, of 4 digits within the range."""

    start: WeightDecay = Field(alias="from", gt=0, description="The first value.")
    stop: WeightDecay = Field(alias="to", description="The last value, at least the first.")


class LabelNoiseRange(Range):
    """Fractions of noisy labels, of 4 digits within the range."""

    start: LabelNoise = Field(alias="from", gt=0, description="The first value.")
    stop: LabelNoise = Field(alias="to", description="The last value, at least the first.")


class UpdatesRange(Range):
    """Numbers of updates, rounded to whole numbers."""

    start: Updates = Field(alias="from", description="The first value.")
    stop: Updates = Field(alias="to", description="The last value, at least the first.")


class EpochsRange(Range):
    """Numbers of epochs, of 4 digits within the range."""

    start: Epochs = Field(alias="from", description="The first value.")
    stop: Epochs = Field(alias="to", description="The last value, at least the first.")


class PriorPrecisionRange(Range):
    """Prior precisions, of 4 digits within the range."""

    start: PriorPrecision = Field(alias="from", description="The first value.")
    stop: PriorPrecision = Field(alias="to", description="The last value, at least the first.")


class BatchSizeRange(_Steps):
    """Batch sizes, rounded to whole numbers; the range ends at the training set of its curve."""

    start: Annotated[int, Field(ge=1), WHOLE] = Field(alias="from", description="The first value.")
    stop: BatchSize = Field(alias="to", description="The last value, or full: the training set.")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.stop != "full" and self.stop < self.start:
            refuse("to", "is {value}", f"at least from, which is {self.start}; exchange them")
        return self


R = TypeVar("R", bound=Range | BatchSizeRange)

OneOrMore = Annotated[
    Annotated[T, Tag("value")] | Annotated[ListOf[T], Tag("list")],
    Discriminator(_form),
]
"""A single value, or a list of different ones."""

ListOrRange = Annotated[
    Annotated[ListOf[T], Tag("list")] | Annotated[R, Tag("range")],
    Discriminator(_form),
]
"""A list of different values, or a range."""

OneOrMoreOrRange = Annotated[
    Annotated[T, Tag("value")] | Annotated[ListOf[T], Tag("list")] | Annotated[R, Tag("range")],
    Discriminator(_form),
]
"""A single value, a list of different ones, or a range."""

Seeds = Annotated[
    Annotated[SeedCount, Tag("value")] | Annotated[ListOf[Seed], Tag("list")],
    Discriminator(_form),
]
"""A count n, which means the seeds 0 … n − 1, or a list of seeds."""
