"""Runs of any shapes, cut into stacks that fit a core's cache or a GPU's memory."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import torch

from noisescale import cost
from noisescale.data import Dataset
from noisescale.formulation import stack_key
from noisescale.grid import Run
from noisescale.journal import Journal
from noisescale.preprocessing import preprocess
from noisescale.progress import Progress
from noisescale.side_by_side import side_by_side
from noisescale.training import Course, Curve, on_device

AT_ONCE = {"cpu": 1, "cuda": 8}
"""Stacks in training at the same time."""


def train_all(
    dataset: Dataset,
    runs: list[Run],
    device: str,
    evaluations_per_decade: int,
    what: str,
    journal: Journal,
) -> list[Curve]:
    """Train runs of any shapes, stack by stack, the costliest first; return them in their order.

    Which stacks there are depends on the runs and the device alone, not on what the journal says
    is done: a job that is resumed goes on with the stack it was in.
    """
    shape = shape_of(dataset)

    def seconds(runs: Iterable[Run]) -> float:
        return sum(cost.run_seconds(run, shape, evaluations_per_decade) for run in runs)

    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(stack_key(run), []).append(run)
    # All of the device's memory, not what is free just now: see above.
    memory = torch.cuda.mem_get_info()[1] // AT_ONCE[device] if device == "cuda" else 0
    stacks = [
        stack
        for group in sorted(groups.values(), key=seconds, reverse=True)
        for stack in parts(group, cost.stack_size(group[0], shape, device, memory))
        if not journal.finished.keys() >= set(stack)
    ]
    left = [run for stack in stacks for run in stack]
    problem = cache(lambda kind: on_device(preprocess(dataset, kind), device))
    with Progress(len(left), what, "runs", work=seconds(left)) as progress:

        def begin(stack: list[Run]) -> Course:
            each = seconds(stack[:1])
            return Course(
                problem(stack[0].preprocessing),
                stack,
                evaluations_per_decade,
                lambda done: progress(done, work=done * each),
                journal,
            )

        for curves in side_by_side(stacks, begin, AT_ONCE[device], journal, device):
            journal.add(curves)
    return [journal.finished[run] for run in runs]


def parts(runs: list[Run], size: int) -> list[list[Run]]:
    """Cut runs into stacks of at most `size`, and of about the same: a small rest takes as long."""
    n = -(-len(runs) // size)
    return [runs[i * len(runs) // n : (i + 1) * len(runs) // n] for i in range(n)]


def shape_of(dataset: Dataset) -> cost.Shape:
    """Return the sizes of a data set that costs depend on."""
    n_train, n_inputs = dataset.X_train.shape
    return cost.Shape(n_inputs, dataset.n_classes, n_train, len(dataset.X_test))
