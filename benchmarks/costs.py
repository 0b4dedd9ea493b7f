"""Fit the constants of the cost model to this machine: ``python -m benchmarks.costs --help``.

Times updates and evaluations of runs of many shapes on one core, and fits the time of each part of
their work (`noisescale.models.work.Work`). Prints the constants, and the ratio of the model to each
measurement.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import astuple

import numpy as np
from scipy.optimize import nnls

from benchmarks.case import random_dataset
from noisescale.cost.estimate import stack_size
from noisescale.cost.machine_speed import REFERENCE_SECONDS, machine_speed
from noisescale.models.registry import architecture_of
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.training.device_dataset import DeviceDataset
from noisescale.training.stack_training import StackTraining
from noisescale.training.torch_settings import prepare_torch

SHAPES = [(64, "100", 1000), (784, "100", 1000), (784, "800", 1000), (784, "800", 10_000)]
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1000)
MOMENTA = (0.0, 0.9)
N_TEST = 2000
REPEATS, SECONDS = 5, 0.05


def main(arguments: list[str] | None = None) -> None:
    """Measure, fit and print."""
    argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__).parse_args(
        arguments
    )
    prepare_torch(1)
    rows = []
    for n_inputs, hidden, train_size in SHAPES:
        shape = Shape(n_inputs, 10, train_size, N_TEST)
        data = random_dataset(shape, "cpu")
        for momentum in MOMENTA:
            for batch_size in BATCH_SIZES:
                run = Run(
                    hidden=hidden,
                    preprocessing="raw",
                    train_size=train_size,
                    batch_size=batch_size,
                    learning_rate=1e-3,
                    momentum=momentum,
                    weight_decay=0.0,
                    label_noise=0.0,
                    updates=10_000,
                    seed=0,
                )
                architecture = architecture_of(run)
                size = stack_size(run, shape, "cpu", 0)
                update, evaluation = measure(data, run, size)
                name = f"{n_inputs}-{hidden}-10, N {train_size}, B {batch_size}, m {momentum}"
                rows.append(
                    (name, architecture.update_work(run, shape, size, "cpu"), update / size)
                )
                work = architecture.evaluation_work(run, shape)
                rows.append((f"{name}: evaluation", work, evaluation / size))

    seconds = np.array([measured for *_, measured in rows])
    work = np.array([astuple(work) for _, work, _ in rows])
    # Minimize relative errors.
    constants, _ = nnls(work / seconds[:, None], np.ones(len(rows)))
    for (name, *_), predicted, measured in zip(rows, work @ constants, seconds, strict=True):
        print(f"{name:50s} {1e6 * measured:9.1f} us, model / measured {predicted / measured:5.2f}")
    print(f"Machine({', '.join(f'{value:.2g}' for value in constants)})")
    print(f"REFERENCE_SECONDS = {REFERENCE_SECONDS / machine_speed():.3g}")


def measure(data: DeviceDataset, run: Run, size: int) -> tuple[float, float]:
    """Return the shortest times of an update and of an evaluation of a stack, in seconds."""
    training = StackTraining(data, [run] * size)
    n = 16
    best = [float("inf"), float("inf")]
    while True:
        started = time.perf_counter()
        _advance(training, n)
        taken = time.perf_counter() - started
        if taken > SECONDS:
            break
        n *= 2
    for _ in range(REPEATS):
        started = time.perf_counter()
        _advance(training, n)
        advanced = time.perf_counter()
        training.evaluate()
        evaluated = time.perf_counter()
        best = [min(best[0], (advanced - started) / n), min(best[1], evaluated - advanced)]
    return best[0], best[1]


def _advance(training: StackTraining, updates: int) -> None:
    training.advance(training.update + updates)
    training.drop_diverged()


if __name__ == "__main__":
    main()
