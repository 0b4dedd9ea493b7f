"""CUDA graphs: the kernels of a group of blocks, launched together.

At small batch sizes a GPU waits for its kernels to be launched one by one. A graph records the
launches of a group of blocks once, including the gathering of its examples, and replays them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from noisescale.models.architecture import StackedModel
from noisescale.training.minibatches import BlockGroup, Minibatches

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

Advance = Callable[[BlockGroup, Tensor], None]


def make_advance(model: StackedModel, batches: Minibatches) -> Advance:
    """Return a function that makes the updates of a group of blocks, by CUDA graphs on a GPU.

    It is valid until networks are removed from the stack. On a GPU it must be called on a stream
    other than the default one, and on the same stream each time: graphs cannot be captured on the
    default stream, and cuBLAS has one workspace per stream, which graphs that are captured on one
    stream and replayed on several would share.

    Returns
    -------
    callable
        Takes the group and `finite_signal`, a Tensor of shape (updates, S), see
        `noisescale.models.architecture.StackedModel.advance`.
    """

    def launch(group: BlockGroup, finite_signal: Tensor) -> None:
        done = 0
        for block in batches.gather(group):
            model.advance(block, finite_signal[done : done + block.updates])
            done += block.updates

    return launch if batches.x.is_cpu else _recording(launch)


def _recording(launch: Advance) -> Advance:
    """Return `launch` with CUDA graphs: each kind of group is captured when it occurs again.

    The first group of each kind runs eagerly as warm-up.
    """
    recorded: dict[tuple[int, int, bool], _Recording | None] = {}
    pool = torch.cuda.graph_pool_handle()

    def advance(group: BlockGroup, finite_signal: Tensor) -> None:
        kind = group.blocks, group.updates, group.whole
        if kind not in recorded:
            recorded[kind] = None
            launch(group, finite_signal)
            return
        recording = recorded[kind]
        if recording is None:
            recording = recorded[kind] = _Recording(launch, group, finite_signal, pool)
        recording.replay(group, finite_signal)

    return advance


class _Recording:
    """The graph of a group of one kind, with the tensors that it reads and writes."""

    def __init__(
        self, launch: Advance, group: BlockGroup, finite_signal: Tensor, pool: _POOL_HANDLE
    ) -> None:
        self.group = replace(group, order=group.order.clone())
        self.finite_signal = finite_signal.clone()
        self.graph = torch.cuda.CUDAGraph()
        free, total = torch.cuda.mem_get_info()
        if free < total / 2:
            # Cached memory cannot be released during a capture.
            torch.cuda.empty_cache()
        self.graph.capture_begin(pool=pool)
        try:
            launch(self.group, self.finite_signal)
        except BaseException:
            # End the capture; its own error would mask the first.
            with suppress(RuntimeError):
                self.graph.capture_end()
            raise
        self.graph.capture_end()

    def replay(self, group: BlockGroup, finite_signal: Tensor) -> None:
        """Make the updates of another group of the same kind."""
        if not group.whole:  # a full batch is always the same
            self.group.order.copy_(group.order)
        self.graph.replay()
        finite_signal.copy_(self.finite_signal)
