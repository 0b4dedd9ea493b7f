"""Runs of any shapes, cut into stacks that fit a core's cache or a GPU's memory."""

from __future__ import annotations

from functools import cache

import torch

from noisescale import cost
from noisescale.course import Course, Curve
from noisescale.data import Dataset
from noisescale.formulation import stack_key
from noisescale.grid import Run
from noisescale.journal import Journal
from noisescale.preprocessing import preprocess
from noisescale.progress import Progress
from noisescale.side_by_side import side_by_side
from noisescale.training import on_device

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
    """Train runs of any shapes, stack by stack; return them in their order."""
    shape = shape_of(dataset)
    stacks = [
        [run for run in stack if run not in journal.finished]
        for stack in stacks_of(runs, shape, device, evaluations_per_decade)
    ]
    stacks = [stack for stack in stacks if stack]
    left = [run for stack in stacks for run in stack]
    problem = cache(lambda kind: on_device(preprocess(dataset, kind), device))
    work = cost.training_seconds(left, shape, evaluations_per_decade, gpu=False)
    with Progress(len(left), what, "runs", work=work) as progress:

        def begin(stack: list[Run]) -> Course:
            each = cost.run_seconds(stack[0], shape, evaluations_per_decade)
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


def stacks_of(
    runs: list[Run], shape: cost.Shape, device: str, evaluations_per_decade: int
) -> list[list[Run]]:
    """Return the stacks in which to train runs, the costliest first.

    They depend on the runs and the device alone, not on what is done of them: a job that is
    resumed goes on with the stacks that it was in.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(stack_key(run), []).append(run)
    # Of all the device's memory, not of what is free just now: see above.
    memory = torch.cuda.mem_get_info()[1] // AT_ONCE[device] if device == "cuda" else 0
    costliest = sorted(
        groups.values(),
        key=lambda group: cost.training_seconds(group, shape, evaluations_per_decade, gpu=False),
        reverse=True,
    )
    return [
        stack
        for group in costliest
        for stack in parts(group, cost.stack_size(group[0], shape, device, memory))
    ]


def parts(runs: list[Run], size: int) -> list[list[Run]]:
    """Cut runs into stacks of at most `size`, and of about the same: a small rest takes as long."""
    n = -(-len(runs) // size)
    return [runs[i * len(runs) // n : (i + 1) * len(runs) // n] for i in range(n)]


def shape_of(dataset: Dataset) -> cost.Shape:
    """Return the sizes of a data set that costs depend on."""
    n_train, n_inputs = dataset.X_train.shape
    return cost.Shape(n_inputs, dataset.n_classes, n_train, len(dataset.X_test))
