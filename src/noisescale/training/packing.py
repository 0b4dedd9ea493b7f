"""Runs of any shapes, cut into stacks that fit a core's cache or a GPU's memory."""

from __future__ import annotations

from functools import cache

import torch

from noisescale.cost.estimate import run_seconds, stack_size, training_seconds
from noisescale.data.dataset import Dataset, dataset_shape
from noisescale.data.preprocessing import preprocess
from noisescale.models.mlp.strategy import stack_key
from noisescale.progress import Progress
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.learning_curve import LearningCurve
from noisescale.training.loop import TrainingLoop
from noisescale.training.problem import to_device
from noisescale.training.scheduler import run_concurrently

AT_ONCE = {"cpu": 1, "cuda": 8}
"""Stacks in training at the same time."""


def train_runs(
    dataset: Dataset,
    runs: list[Run],
    device: str,
    evaluations_per_decade: int,
    what: str,
    checkpoint: Checkpoint,
) -> list[LearningCurve]:
    """Train runs of any shapes, stack by stack; return them in their order."""
    shape = dataset_shape(dataset)
    stacks = [
        [run for run in stack if run not in checkpoint.finished]
        for stack in pack(runs, shape, device, evaluations_per_decade)
    ]
    stacks = [stack for stack in stacks if stack]
    left = [run for stack in stacks for run in stack]
    problem = cache(lambda kind: to_device(preprocess(dataset, kind), device))
    work = training_seconds(left, shape, evaluations_per_decade, gpu=False)
    with Progress(len(left), what, "runs", work=work) as progress:

        def begin(stack: list[Run]) -> TrainingLoop:
            each = run_seconds(stack[0], shape, evaluations_per_decade)
            return TrainingLoop(
                problem(stack[0].preprocessing),
                stack,
                evaluations_per_decade,
                lambda done: progress(done, work=done * each),
                checkpoint,
            )

        for curves in run_concurrently(stacks, begin, AT_ONCE[device], checkpoint, device):
            checkpoint.add(curves)
    return [checkpoint.finished[run] for run in runs]


def pack(
    runs: list[Run], shape: Shape, device: str, evaluations_per_decade: int
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
        key=lambda group: training_seconds(group, shape, evaluations_per_decade, gpu=False),
        reverse=True,
    )
    return [
        stack
        for group in costliest
        for stack in split_evenly(group, stack_size(group[0], shape, device, memory))
    ]


def split_evenly(runs: list[Run], size: int) -> list[list[Run]]:
    """Cut runs into stacks of at most `size`, and of about the same: a small rest takes as long."""
    n = -(-len(runs) // size)
    return [runs[i * len(runs) // n : (i + 1) * len(runs) // n] for i in range(n)]
