"""Runs of any shapes, cut into stacks that fit a core's cache or a GPU's memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

import torch

from noisescale import cost
from noisescale.data import Dataset
from noisescale.grid import Run
from noisescale.journal import Journal
from noisescale.preprocessing import preprocess
from noisescale.progress import Progress
from noisescale.training import Curve, Problem, on_device, stack_key, train


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

    stacks: dict[tuple, list[Run]] = {}
    for run in runs:
        stacks.setdefault(stack_key(run), []).append(run)
    left = [run for run in runs if run not in journal.finished]
    problems: dict[str, Problem] = {}
    with Progress(len(left), what, "runs", work=seconds(left)) as progress:
        for group in sorted(stacks.values(), key=seconds, reverse=True):
            kind = group[0].preprocessing
            # All of the device's memory, not what is free just now: see above.
            memory = torch.cuda.mem_get_info()[1] if device == "cuda" else 0
            size = cost.stack_size(group[0], shape, device, memory)
            each = seconds(group[:1])
            group = [run for run in group if run not in journal.finished]
            if group and kind not in problems:
                problems[kind] = on_device(preprocess(dataset, kind), device)

            def train_part(part: list[Run], kind: str = kind, each: float = each) -> list[Curve]:
                made = 0.0

                def count(done: float) -> None:
                    nonlocal made
                    made += done
                    progress(done, work=done * each)

                try:
                    return train(problems[kind], part, evaluations_per_decade, count, journal)
                except torch.OutOfMemoryError:
                    count(-made)
                    raise

            for curves in in_parts(group, size, train_part):
                journal.add(curves)
    return [journal.finished[run] for run in runs]


def in_parts(
    runs: list[Run], size: int, train_part: Callable[[list[Run]], list[Curve]]
) -> Iterator[list[Curve]]:
    """Train runs in stacks of at most `size`; halve it where memory does not suffice.

    Yields
    ------
    list of Curve
        Of each stack, in the order of the runs.
    """
    left = list(runs)
    while left:
        # Stacks of about the same size: a small rest would take as many launches.
        stacks = -(-len(left) // size)
        part = left[: -(-len(left) // stacks)]
        try:
            curves = train_part(part)
        except torch.OutOfMemoryError:
            if len(part) == 1:
                raise
            size = len(part) // 2
            print(f"out of memory: {size} runs side by side, not {len(part)}", file=sys.stderr)
            torch.cuda.empty_cache()
            continue
        left = left[len(part) :]
        yield curves


def shape_of(dataset: Dataset) -> cost.Shape:
    """Return the sizes of a data set that costs depend on."""
    n_train, n_inputs = dataset.X_train.shape
    return cost.Shape(n_inputs, dataset.n_classes, n_train, len(dataset.X_test))
