"""Compare the engine with its peers and the machine's limits: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from benchmarks import peers, rendering
from benchmarks.case import Case
from benchmarks.measure import compare
from benchmarks.roofline import measure
from noisescale.cost.estimate import stack_size
from noisescale.training.devices import device_name
from noisescale.training.torch_settings import prepare_torch

BATCH_SIZES = [1, 4, 16, 64, 128, 256, 1000]
FOLDER = Path("results/benchmark")


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write it as Parquet, as a plot, and optionally as Markdown."""
    options = parse(arguments)
    if options.device == "cpu" and hasattr(os, "sched_setaffinity"):
        # Every contender has one core, as a run of a study has; XLA would use all of them.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    prepare_torch(1)
    chosen, unavailable = peers.available(options.contenders)
    for line in unavailable:
        print(line, file=sys.stderr)
    cases = [
        Case(model, train_size, batch_size, momentum, stack or 1)
        for model, train_size, momentum, batch_size, stack in itertools.product(
            options.models,
            options.train_sizes,
            options.momenta,
            options.batch_sizes,
            options.stacks,
        )
        if batch_size <= train_size
    ]
    if options.stacks == [None]:
        cases = [
            replace(case, stack=stack_size(case.runs[0], case.shape, "cpu", 0)) for case in cases
        ]
    rows: list[dict] = []
    try:
        for found in measured(cases, chosen, options):
            rows += found
    except KeyboardInterrupt:
        print(f"stopped after {len(rows) // len(chosen)} of {len(cases)} cases", file=sys.stderr)
        if not rows:
            raise
        options.markdown = None  # the page would be incomplete
    table = pd.DataFrame(rows)
    device = device_name(options.device)
    print(rendering.text(table))
    rendering.write(table, FOLDER, device)
    if options.markdown:
        command_line = " ".join(sys.argv[1:] if arguments is None else arguments)
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(rendering.markdown(table, device, options.rounds, command_line))


def measured(
    cases: list[Case], chosen: list[type[peers.Contender]], options: argparse.Namespace
) -> Iterator[list[dict]]:
    """Yield the rows of cases that differ only in the size of their stacks."""
    done = 0
    for _, of_shape in itertools.groupby(cases, key=lambda case: (case.model, case.train_size)):
        shaped = list(of_shape)
        limits = measure(shaped, options.device)
        matrix = {"matrix_flops": limits.flops, "copy_bandwidth": limits.bandwidth}
        for one, of_stacks in itertools.groupby(shaped, key=lambda case: replace(case, stack=1)):
            stacks = list(of_stacks)
            print(
                f"{done} of {len(cases)}: {one.model}, N {one.train_size}, B {one.batch_size}, "
                f"m {one.momentum}, stack {' '.join(str(case.stack) for case in stacks)}",
                file=sys.stderr,
            )
            found = compare(stacks, chosen, limits, options.device, options.rounds, options.seconds)
            done += len(stacks)
            yield [row | matrix for row in found]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options, with defaults for the device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: a GPU if there is one")
    parser.add_argument("--models", nargs="+", default=["784-800-10", "64-100-10"])
    parser.add_argument("--train-sizes", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--momenta", nargs="+", type=float, default=[0.0, 0.9])
    parser.add_argument(
        "--stacks",
        nargs="+",
        type=int,
        help="networks trained together; default on a CPU: as in a study",
    )
    names = [contender.name.split()[0] for contender in peers.CONTENDERS]
    parser.add_argument("--contenders", nargs="+", choices=names)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=0.25, help="approximate time of each measurement"
    )
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases and rounds, in two minutes"
    )
    options = parser.parse_args(arguments)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    options.stacks = options.stacks or ([1, 8, 64, 512] if options.device == "cuda" else [None])
    if options.quick:
        options.models, options.train_sizes = options.models[:1], options.train_sizes[:1]
        options.batch_sizes = options.batch_sizes[::3]
        options.rounds, options.seconds = 3, 0.1
    return options


if __name__ == "__main__":
    main()
