"""The work of a run, and the seconds it takes on a reference machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

from noisescale.study.grid import Run


@dataclass(frozen=True)
class Machine:
    """The seconds that each part of a `Work` takes."""

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
    """What a run does.

    Attributes
    ----------
    calls
        Of the tensor library, its share of those of its stack.
    products
        Of its matrices, however small.
    examples
        Gathered, or judged, however small.
    flops
        Operations.
    bytes
        To and from memory.
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


def same_for_all_seeds(estimate: Callable[..., Any]) -> Callable[..., Any]:
    """Make an estimate only once for runs that differ in their seeds alone, as most do."""
    of_setting = cache(lambda setting, *others: estimate(Run(*setting, seed=0), *others))

    @wraps(estimate)
    def of_run(run: Run, *others: Any) -> Any:
        return of_setting(run.setting, *others)

    return of_run
