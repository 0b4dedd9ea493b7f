"""Runs of any shapes, packed into stacks that fit a core's cache or a GPU's memory."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import torch

from noisescale.cost.estimate import stack_size, training_seconds
from noisescale.models.registry import stack_key
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run

CONCURRENT_STACKS = {"cpu": 1, "cuda": 8}
"""Number of stacks that a device trains at the same time."""

_Item = TypeVar("_Item")


def pack(
    runs: Sequence[Run], shape: Shape, device: str, evaluations_per_decade: int
) -> list[list[Run]]:
    """Return the stacks in which to train runs, the costliest first.

    They depend only on the runs and the device, not on which of the runs are finished: a resumed
    job continues with the same stacks.

    Parameters
    ----------
    runs
        The runs of a job.
    shape
        The sizes of the data set.
    device
        ``cpu`` or ``cuda``.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    """
    groups: dict[tuple[Hashable, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(stack_key(run), []).append(run)
    # The device's total memory, because the free memory varies, and with it the stacks would.
    total = torch.cuda.mem_get_info()[1] if device == "cuda" else 0
    memory = total // CONCURRENT_STACKS[device]
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


def split_evenly(items: Sequence[_Item], size: int) -> list[list[_Item]]:
    """Split items into parts of at most `size`, whose lengths differ by at most one.

    An update of a small stack takes about as long as one of a full stack.
    """
    n = -(-len(items) // size)
    return [list(items[i * len(items) // n : (i + 1) * len(items) // n]) for i in range(n)]
