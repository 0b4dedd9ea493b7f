"""Extrapolate the time of a study from a part of it: ``python -m benchmarks.extrapolate --help``.

Trains every n-th stack of a study, in the order of their sizes and costs, for two shares of their
updates, on random data of the size of the real data. On a GPU, also profiles its kernels.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.case import random_dataset
from benchmarks.rendering import provenance_line
from noisescale.cost.estimate import training_seconds
from noisescale.cost.machine_speed import speed
from noisescale.planning.plan import Plan
from noisescale.storage.files import write_text
from noisescale.study.grid import Run, unique_runs
from noisescale.study.loading import load_study
from noisescale.training.device_dataset import DeviceDataset
from noisescale.training.devices import device_name
from noisescale.training.loop import TrainingLoop
from noisescale.training.packing import CONCURRENT_STACKS, pack
from noisescale.training.scheduler import run_concurrently
from noisescale.training.stack_training import StackTraining
from noisescale.training.state import Checkpointer
from noisescale.training.torch_settings import prepare_torch

SHARES = (0.04, 0.12)
"""Of a stack's updates; the difference does not contain what a stack takes once, such as set-up."""
PROFILED_UPDATES = 64
KINDS = {
    "products": "gemm|gemv|cutlass",
    "gathers": "gather|index|scatter",
    "passes": "elementwise|memcpy|memset|reduce",
}
"""Kinds of GPU kernels, by patterns of their names; the first match counts."""


@dataclass(frozen=True)
class Part:
    """A sample of the stacks of a study.

    Attributes
    ----------
    stacks : list of list of Run
    scale
        Cost of the whole study over that of these stacks, by `noisescale.cost.estimate`.
    forecast
        Predicted seconds of the whole study, by `noisescale.cost.estimate`.
    """

    stacks: list[list[Run]]
    scale: float
    forecast: float


def part(plan: Plan, every: int, device: str) -> Part:
    """Return every n-th stack of a study, in the order of sizes and costs."""
    per_decade = plan.study.evaluations_per_decade

    def seconds(stack: list[Run]) -> float:
        return training_seconds(stack, plan.shape, per_decade, device == "cuda")

    stacks = pack(unique_runs(plan.study), plan.shape, device, per_decade)
    stacks.sort(key=lambda stack: (len(stack), seconds(stack)), reverse=True)
    some = stacks[every // 2 :: every]
    whole = sum(map(seconds, stacks))
    return Part(some, whole / sum(map(seconds, some)), whole / speed(device == "cuda"))


def seconds_of(
    stacks: list[list[Run]], share: float, data: DeviceDataset, per_decade: int, n_concurrent: int
) -> float:
    """Return the seconds that stacks take for a share of their updates."""
    cut = [[replace(run, updates=round(share * run.updates)) for run in stack] for stack in stacks]

    def begin(stack: list[Run]) -> TrainingLoop:
        return TrainingLoop(data, stack, per_decade)

    started = time.perf_counter()
    for _ in run_concurrently(cut, begin, n_concurrent, Checkpointer(), data.x.device.type):
        pass
    return time.perf_counter() - started


def profile(stacks: list[list[Run]], data: DeviceDataset) -> dict[str, float]:
    """Return the seconds of GPU kernels, by kind, in all updates of the stacks."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recording

    total: Counter[str] = Counter()
    stream = torch.cuda.Stream()
    for stack in stacks:
        with torch.cuda.stream(stream):
            training = StackTraining(data, stack)
            training.advance(4 * PROFILED_UPDATES)
            training.advance(8 * PROFILED_UPDATES)
            torch.cuda.synchronize()
            with recording(activities=[ProfilerActivity.CUDA]) as found:
                training.advance(training.update + PROFILED_UPDATES)
                torch.cuda.synchronize()
        for event in found.key_averages():
            kind = next((k for k, words in KINDS.items() if re.search(words, event.key, re.I)), "")
            per_update = 1e-6 * event.self_device_time_total / PROFILED_UPDATES
            total[kind or "others"] += per_update * stack[0].updates
    return dict(total)


def main(arguments: list[str] | None = None) -> None:
    """Measure each precision; print the results as JSON, and optionally write them to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extrapolate", description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="a study")
    parser.add_argument("--every", type=int, default=6, help="train every n-th stack")
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument("--at-once", type=int, help="stacks in training at the same time")
    parser.add_argument("--precisions", nargs="+", default=["float32"])
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args(arguments)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    study = load_study(options.configfile)
    plan = Plan(study, Path())
    prepare_torch(1)
    some, data = part(plan, options.every, device), random_dataset(plan.shape, device)
    n_concurrent = options.at_once or CONCURRENT_STACKS[device]
    result = {
        "made": provenance_line("python -m benchmarks.extrapolate", device_name(device)),
        "study": study.name,
        "at_once": n_concurrent,
        "runs": len(unique_runs(study)),
        "stacks": len(pack(unique_runs(study), plan.shape, device, study.evaluations_per_decade)),
        "measured_stacks": len(some.stacks),
        "measured_runs": sum(map(len, some.stacks)),
        "forecast_seconds": some.forecast,
    }
    for precision in options.precisions:
        prepare_torch(1, precision)
        short, long = (
            seconds_of(some.stacks, share, data, study.evaluations_per_decade, n_concurrent)
            for share in SHARES
        )
        slope = (long - short) / (SHARES[1] - SHARES[0])
        once = short - SHARES[0] * slope
        found = {
            "short": short,
            "long": long,
            "seconds": some.scale * slope
            + len(unique_runs(study)) / result["measured_runs"] * once,
        }
        print(json.dumps({precision: found}), file=sys.stderr)
        if device == "cuda":
            kernels = profile(some.stacks, data)
            found["kernels"] = {kind: some.scale * taken for kind, taken in kernels.items()}
        result[precision] = found
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        write_text(options.json, text + "\n")


if __name__ == "__main__":
    main()
