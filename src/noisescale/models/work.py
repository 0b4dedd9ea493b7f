"""The work of a run, and the seconds it takes on a reference machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from noisescale.study.grid import Run

_Others = ParamSpec("_Others")
_Estimate = TypeVar("_Estimate")


@dataclass(frozen=True)
class Machine:
    """The seconds that one unit of each part of a `Work` takes."""

    per_call: float
    per_product: float
    per_example: float
    per_flop: float
    per_byte: float


REFERENCE = {
    # One core of an Intel Xeon server with AVX-512, torch 2.15; see ``python -m benchmarks.costs``.
    "cpu": Machine(3.3e-6, 1.3e-7, 1.2e-7, 5.6e-12, 2.3e-11),
    # An NVIDIA H200, torch 2.11: by hand, to the times of 15 stacks of 784-800-10.
    "cuda": Machine(1.0e-6, 0.0, 0.0, 2.6e-14, 3.0e-13),
}


@dataclass(frozen=True)
class Work:
    """An amount of computation.

    Attributes
    ----------
    calls
        Calls of the tensor library: the run's share of those of its stack.
    products
        Matrix products, whatever their size.
    examples
        Examples gathered or evaluated, whatever their size.
    flops
        Floating-point operations.
    bytes
        Bytes read from and written to memory.
    """

    calls: float
    products: float
    examples: float
    flops: float
    bytes: float

    def seconds(self, device: str = "cpu") -> float:
        """Return about how long it takes on one core, or the GPU, of `REFERENCE`."""
        machine = REFERENCE[device]
        return (
            machine.per_call * self.calls
            + machine.per_product * self.products
            + machine.per_example * self.examples
            + machine.per_flop * self.flops
            + machine.per_byte * self.bytes
        )


def same_for_all_seeds(
    estimate: Callable[Concatenate[Run, _Others], _Estimate],
) -> Callable[Concatenate[Run, _Others], _Estimate]:
    """Compute an estimate only once for runs that differ only in their seeds, as most do."""
    estimates: dict[tuple[object, ...], _Estimate] = {}

    @wraps(estimate)
    def of_run(run: Run, *args: _Others.args, **kwargs: _Others.kwargs) -> _Estimate:
        key = (run.setting, args, *kwargs.items())
        if key not in estimates:
            estimates[key] = estimate(run, *args, **kwargs)
        return estimates[key]

    return of_run
