"""The contents of ``scaling_laws.json``: the peak of every curve, and the laws fitted to them.

The classes define the format of the file: a field, or its alias, is a key, and its docstring is the
description in the JSON schema (see `noisescale.results.laws_schema`). None, in JSON null, means
that a number does not exist, e.g. the ends of an interval with one seed; no number is NaN or
infinite. ``x``, ``x_low``, ``x_high`` are an estimate and the ends of its interval. Batch sizes are
in examples, accuracies and their differences between 0 and 1, spreads in octaves (factors of 2).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import IntEnum, StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field

from noisescale.errors import RecordError
from noisescale.statistics.bootstrap import FloatArray, percentiles
from noisescale.statistics.estimate import Estimate
from noisescale.storage.digests import dumps_verified, loads_verified
from noisescale.storage.files import write_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LAWS_VERSION: Final = 2
"""Version of the format."""


class Reason(StrEnum):
    """Why a peak is censored; empty for a usable peak."""

    NONE = ""
    """The peak is usable."""
    EDGE = "edge"
    """The best B is an end of the range, or cannot be distinguished from it."""
    FLAT = "flat"
    """The top is not significantly higher than either end of the range."""
    NOT_CONCAVE = "not concave"
    """The curve has no rounded top there."""
    ONE_SEED = "one seed"
    """Without a second seed there is no interval."""


class Side(IntEnum):
    """Where a censored optimum lies: −1 at or below its bound, 1 at or above it, 0 unknown."""

    AT_MOST = -1
    UNKNOWN = 0
    AT_LEAST = 1


class _Record:
    """Configures how pydantic validates and documents the dataclasses below."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "use_attribute_docstrings": True}


@dataclass(frozen=True)
class Draws(_Record):
    """The values of a statistic in the bootstrap resamples; value r is that of resample r."""

    float64: str
    """The values as little-endian 64-bit floating-point numbers, in Base64."""

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return the draws of an array of shape (n_resamples,)."""
        return cls(base64.b64encode(np.asarray(values, dtype="<f8").tobytes()).decode("ascii"))

    @cached_property
    def values(self) -> FloatArray:
        """The draws as an array of shape (n_resamples,)."""
        return np.frombuffer(base64.b64decode(self.float64), dtype="<f8").astype(np.float64)


@dataclass(frozen=True)
class StatisticsUsed(_Record):
    """How the intervals were computed."""

    bootstrap: int
    """Number of bootstrap resamples of the seeds."""
    confidence: float
    """Level of all intervals."""


@dataclass(frozen=True)
class Peak(_Record):
    """The optimum batch size of one curve of test accuracy against batch size."""

    experiment: str
    """The experiment of the study."""
    variant: str
    """Values of further parameters that vary, e.g. "hidden 800"; mostly empty."""
    axis: str
    """The parameter that the experiment's curves differ in."""
    value: float | None
    """The curve's value of that parameter; null where it is the batch size."""
    learning_rate: float
    train_size: int
    momentum: float
    setting: str
    """What else the curve's runs have in common."""
    batch_opt: float
    """The optimum batch size: the maximum of the smoothed curve."""
    batch_opt_low: float | None
    batch_opt_high: float | None
    batch_argmax: int
    """The paper's estimate: the batch size with the highest mean accuracy."""
    batch_argmax_low: float | None
    batch_argmax_high: float | None
    noise_scale_opt: float
    """The noise scale ε (N/B − 1)/(1 − m) at batch_opt; 0 at full batch."""
    noise_scale_opt_low: float | None
    noise_scale_opt_high: float | None
    accuracy: float
    """Test accuracy of the smoothed curve at its maximum."""
    accuracy_low: float | None
    accuracy_high: float | None
    gap: float
    """How much higher that is than at the largest batch size, with the peak of other seeds."""
    gap_low: float | None
    gap_high: float | None
    censored: bool
    """Whether the peak is not used as a point in a fit."""
    reason: Reason
    edge_share: float
    """Share of the resamples with the maximum at an end of the range."""
    side: Side
    bound: float | None
    """The bound on a censored optimum; null where none is known."""
    train_accuracy: float
    """Mean training accuracy over the seeds at batch_argmax."""
    batch_min: int
    """Smallest batch size of the curve."""
    batch_max: int
    """Largest batch size of the curve."""
    n_batch_sizes: int
    """Number of batch sizes of the curve."""
    n_seeds: int
    """Number of seeds of the curve."""
    n_diverged: int
    """Number of diverged runs of the curve."""
    batch_diverged: int
    """Largest batch size at which a run diverged; 0 if none did."""

    @property
    def batch_opt_estimate(self) -> Estimate:
        """The optimum batch size with its interval."""
        return Estimate.of(self.batch_opt, self.batch_opt_low, self.batch_opt_high)

    @property
    def noise_scale_opt_estimate(self) -> Estimate:
        """The noise scale at the optimum with its interval."""
        return Estimate.of(
            self.noise_scale_opt, self.noise_scale_opt_low, self.noise_scale_opt_high
        )

    @property
    def accuracy_estimate(self) -> Estimate:
        """The accuracy at the peak with its interval."""
        return Estimate.of(self.accuracy, self.accuracy_low, self.accuracy_high)

    @property
    def gap_estimate(self) -> Estimate:
        """The height of the peak over the largest batch size with its interval."""
        return Estimate.of(self.gap, self.gap_low, self.gap_high)


@dataclass(frozen=True)
class PeakResamples(_Record):
    """What evaluates a peak at any confidence: its bootstrap draws and its tests' statistics.

    With it, intervals at another level need no training data, and the same peak may be usable at
    one level and censored at another, stricter one (see `noisescale.laws.peak_fit.PeakFit.at`).
    """

    batch_opt: Draws
    """Draws of the optimum batch size, which include the resolution of the grid of B."""
    batch_argmax: Draws
    """Draws of the batch size with the highest mean accuracy."""
    accuracy: Draws
    """Draws of the test accuracy at the maximum."""
    gap_deviation: float | None
    """Standard deviation of the peak's gap over the seeds; null with one seed."""
    left_gap: float
    """How much higher the peak is than the smallest batch size that is smoothed, as for the gap."""
    left_gap_deviation: float | None
    """Standard deviation of left_gap over the seeds; null with one seed."""
    small_batches_fail: Annotated[bool, Field(alias="collapsed")]
    """Whether smaller batch sizes are left out because training fails there."""
    at_edge: bool
    """Whether the maximum, of the smoothed curve or of the means, is at an end of the range."""
    rounded: bool
    """Whether the curve has a rounded top."""
    nearer_end: Side
    """The end of the range that the maximum is nearer to: −1 the smallest B, 1 the largest."""


@dataclass(frozen=True)
class CensoredCurve(_Record):
    """A curve without a usable peak."""

    x: float
    """The curve's value of the law's variable."""
    reason: Reason
    side: Side


@dataclass(frozen=True)
class Line(_Record):
    """A fitted law as drawn, with its interval over seeds."""

    x: tuple[float, ...]
    batch_opt: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Exponent(_Record):
    """The law B_opt = prefactor · x^slope of one experiment; nulls where there is no estimate."""

    experiment: str
    """The experiment whose curves are fitted."""
    variant: str
    """Values of further parameters that vary; mostly empty."""
    variable: str
    """What x is, e.g. "1 / (1 − momentum)"."""
    theory: float
    """The theory's exponent."""
    n_points: int
    """Number of curves with a usable peak."""
    n_censored: int
    """Number of curves without."""
    n_bounds: int
    """Number of those that enter the fit as bounds."""
    censored: tuple[CensoredCurve, ...]
    """The curves without a usable peak."""
    n_seeds: int
    """Number of seeds, of the curve with the fewest."""
    note: str
    """Why there is no estimate; else empty."""
    slope: float | None
    """The exponent."""
    low: float | None
    """Lower end of its interval over seeds (bootstrap)."""
    high: float | None
    """Upper end of its interval over seeds."""
    prefactor: float | None
    """B_opt at x = 1."""
    r_squared: float | None
    """Share of the variance of log B_opt that the law explains."""
    fit_low: float | None
    """Lower end of its interval from the scatter of the curves about the line (Student)."""
    fit_high: float | None
    """Upper end of its interval from the scatter."""
    slope_argmax: float | None
    """The exponent of batch_argmax, the paper's estimate of the optimum."""
    theory_inside: bool | None
    """Whether low ≤ 1 ≤ high."""
    line: Line | None
    """The fit as drawn."""
    draws: Draws | None
    """Draws of the exponent."""

    @property
    def estimate(self) -> Estimate | None:
        """The exponent with its interval over seeds; None where there is no estimate."""
        return None if self.slope is None else Estimate.of(self.slope, self.low, self.high)

    @property
    def scatter(self) -> Estimate | None:
        """The exponent with its interval from the scatter; None where there is no estimate."""
        return None if self.slope is None else Estimate.of(self.slope, self.fit_low, self.fit_high)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Return the interval of the exponent over seeds at any level.

        It is that of the curves used here. Which curves are usable may itself change with the
        level: `noisescale.laws.scaling.evaluate_at` takes this into account.

        Parameters
        ----------
        confidence
            The level, e.g. 0.99.

        Returns
        -------
        tuple of float or None
            None where there is no estimate, or no interval because there is one seed.
        """
        if self.draws is None or self.low is None:
            return None
        low, high = percentiles(self.draws.values, confidence)
        return float(low), float(high)


@dataclass(frozen=True)
class JointExponent(_Record):
    """The exponent of one variable in the law of all curves."""

    symbol: str
    """Its name in formulas: alpha, beta or gamma."""
    slope: float
    """The exponent; 1 in theory."""
    low: float | None
    """Lower end of its interval over seeds (bootstrap)."""
    high: float | None
    """Upper end of its interval over seeds."""
    fit_low: float | None
    """Lower end of its interval from the scatter of the curves about the law (Student)."""
    fit_high: float | None
    """Upper end of its interval from the scatter."""


@dataclass(frozen=True)
class NoiseScaleConstancy(_Record):
    """Whether the optimum noise scale is the same for all curves."""

    noise_scale: float
    """Its geometric mean over the curves."""
    low: float | None
    high: float | None
    spread: float | None
    """Its standard deviation from curve to curve, in octaves."""
    error: float | None
    """Root mean square of the standard errors of single curves, in octaves."""
    p: float | None
    """p-value of Cochran's test that it is the same for all curves."""
    finite_n: float
    """Largest B_opt/N: by what share at most the −1 in the formula moves B_opt."""


@dataclass(frozen=True)
class JointLaw(_Record):
    """log B_opt = a + α log ε + β log N + γ log 1/(1 − m), fitted to all curves of one setting."""

    setting: str
    """What the curves have in common."""
    exponents: dict[str, JointExponent]
    """By the name of the experiment that varies it; variables with three values or more."""
    r_squared: float | None
    """Share of the variance of log B_opt that the law explains."""
    scatter: float | None
    """Standard deviation of the peaks about the law, in octaves."""
    n_points: int
    """Number of curves with a usable peak."""
    n_bounds: int
    """Number of curves that enter the fit as bounds."""
    noise_scale: NoiseScaleConstancy


@dataclass(frozen=True)
class Prediction(_Record):
    """The optimum of one curve, and what the other curves predict."""

    learning_rate: float
    train_size: int
    momentum: float
    batch_opt: float
    """The optimum batch size that the curve itself shows."""
    low: float | None
    high: float | None
    predicted: float
    """Prediction of exponents fitted to the other curves."""
    predicted_low: float | None
    predicted_high: float | None
    inside: bool
    """Whether batch_opt is inside that interval."""
    theory: float
    """Prediction of one noise scale, the mean of the other curves."""

    @property
    def observed(self) -> Estimate:
        """The optimum batch size that the curve itself shows, with its interval."""
        return Estimate.of(self.batch_opt, self.low, self.high)

    @property
    def predicted_estimate(self) -> Estimate:
        """The optimum batch size predicted by fitted exponents, with its interval."""
        return Estimate.of(self.predicted, self.predicted_low, self.predicted_high)


@dataclass(frozen=True)
class Predictions(_Record):
    """Each optimum predicted from the other curves."""

    curves: tuple[Prediction, ...]
    error: float
    """Root mean square error of the fitted exponents, in octaves."""
    theory_error: float
    """Root mean square error of one noise scale, in octaves."""
    inside: float
    """Share of the optima that are inside the interval predicted."""


@dataclass(frozen=True)
class LocalExponent(_Record):
    """The exponent between two neighbouring usable peaks of an experiment."""

    experiment: str
    variant: str
    start: float
    """The first curve's value of the swept parameter."""
    stop: float
    """The second curve's value."""
    slope: float
    """The exponent; 1 in theory."""
    low: float | None
    high: float | None
    bends: bool
    """Whether 1 is outside the interval."""
    notes: tuple[str, ...]
    """The conditions of the theory that are violated there."""


@dataclass(frozen=True)
class Collapse(_Record):
    """How much less the peaks of one training set size vary in noise scale than in batch size."""

    train_size: int
    n_curves: int
    spread_batch_opt: float
    """Standard deviation of log2 B_opt, in octaves."""
    spread_noise_scale: float
    """Standard deviation of log2 g at the peaks, in octaves."""
    noise_scale: float
    """Geometric mean of g at the peaks."""
    noise_scale_low: float | None
    noise_scale_high: float | None
    ratio: float | None
    """spread_noise_scale over spread_batch_opt."""
    ratio_low: float | None
    ratio_high: float | None

    @property
    def ratio_estimate(self) -> Estimate:
        """The ratio of the spreads with its interval."""
        return Estimate.of(self.ratio, self.ratio_low, self.ratio_high)


@dataclass(frozen=True)
class ScalingLaws(_Record):
    """The peak of every curve of test accuracy against batch size, and the laws fitted to them."""

    schema_version: Literal[2]
    """Version of this format."""
    statistics: StatisticsUsed
    peaks: tuple[Peak, ...]
    """One for each curve with three batch sizes or more."""
    exponents: dict[str, Exponent]
    """By the name of the experiment, with its variant in brackets where it has several."""
    joint: JointLaw | None
    """The law of all curves; null with too few curves."""
    prediction: Predictions | None
    """Each peak predicted from the others; null with too few curves."""
    local_exponents: Annotated[tuple[LocalExponent, ...], Field(alias="bends")]
    """The exponents between neighbouring curves."""
    collapse: tuple[Collapse, ...]
    """For each training set size with three usable peaks or more."""
    resamples: tuple[PeakResamples, ...]
    """One for each of the peaks, in the same order."""

    def to_json(self) -> str:
        """Return the laws as JSON text that carries a digest; `from_json` is its inverse."""
        content = _adapter().dump_python(self, mode="json", by_alias=True)
        return dumps_verified(content, indent=1, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> ScalingLaws:
        """Return the laws that `to_json` wrote.

        Raises
        ------
        ValueError
            The text is damaged, or not of this format.
        """
        content = loads_verified(text)
        version = content.get("schema_version")
        if version != LAWS_VERSION:
            raise ValueError(f"schema version {version}, expected {LAWS_VERSION}")
        laws = _adapter().validate_python(content)
        if len(laws.resamples) != len(laws.peaks):
            raise ValueError(f"{len(laws.resamples)} resamples for {len(laws.peaks)} peaks")
        return laws

    def write(self, path: Path) -> None:
        """Write the laws to a file.

        Raises
        ------
        RecordError
            The file cannot be written.
        """
        write_text(path, self.to_json())

    @staticmethod
    def read(path: Path) -> ScalingLaws:
        """Read laws that `write` wrote.

        Raises
        ------
        RecordError
            The file is missing, damaged, or of another format or version.
        """
        try:
            return ScalingLaws.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{path}: cannot be read ({type(error).__name__}: {_first_cause(error)}); "
                "give the right file, or run the workflow again"
            ) from error

    def peaks_of(self, experiment: str) -> list[Peak]:
        """Return the peaks of one experiment's curves."""
        return [peak for peak in self.peaks if peak.experiment == experiment]

    def exponents_of(self, experiment: str) -> list[Exponent]:
        """Return the exponents of one experiment, one for each of its variants."""
        return [fit for fit in self.exponents.values() if fit.experiment == experiment]

    def peak_table(self) -> pd.DataFrame:
        """Return the peaks as a table with the fields of `Peak` as columns, NaN for None."""
        return peak_table(self.peaks)


def peak_table(peaks: Sequence[Peak]) -> pd.DataFrame:
    """Return peaks as a table.

    Parameters
    ----------
    peaks
        The rows.

    Returns
    -------
    pandas.DataFrame
        The fields of `Peak` as columns, NaN for None; the enumerations as their values.
    """
    columns = [field.name for field in fields(Peak)]
    optional = [field.name for field in fields(Peak) if field.type == "float | None"]
    table = pd.DataFrame([asdict(peak) for peak in peaks], columns=columns)
    table = table.astype(dict.fromkeys(optional, "float64") | {"side": "int64"})
    return table.assign(
        reason=[peak.reason.value for peak in peaks],
        censored=np.array([peak.censored for peak in peaks], dtype=bool),
    )


def optional_number(value: float) -> float | None:
    """Return a number for JSON: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


@cache
def _adapter() -> TypeAdapter[ScalingLaws]:
    from pydantic import TypeAdapter

    return TypeAdapter(ScalingLaws)


def _first_cause(error: Exception) -> str:
    """Return the first fault of a validation as one line, e.g. ``peaks.0.side: Field required``."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        cause = error.errors()[0]
        return f"{'.'.join(str(part) for part in cause['loc'])}: {cause['msg']}"
    return str(error)
