"""CUDA graphs: some blocks of updates as one launch.

At small batch sizes a GPU waits for its kernels to be launched, one by one. A graph records the
launches of a portion once, from the gathering of its examples on, and replays them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from noisescale.models.mlp.network import StackedMLP
from noisescale.training.minibatches import BlockGroup, Minibatches

Advance = Callable[[BlockGroup, Tensor], None]


def make_advance(stack: StackedMLP, batches: Minibatches) -> Advance:
    """Return a function that makes a portion's updates, by CUDA graphs where that is a GPU.

    It holds for as long as the stack keeps all its networks. It takes the portion and a Tensor of
    shape (updates, S), see `noisescale.models.mlp.network.StackedMLP.advance`. On a GPU it is for a stream of its
    own: nothing is recorded on the default one, and linear algebra has a scratch memory for each
    stream, which graphs recorded on one and replayed on several would share.
    """

    def launch(portion: BlockGroup, finite_signal: Tensor) -> None:
        done = 0
        for block in batches.gather(portion):
            stack.advance(block, finite_signal[done : done + block.updates])
            done += block.updates

    return launch if stack.learning_rate.is_cpu else _recording(launch)


def _recording(launch: Advance) -> Advance:
    """Record the portions of each kind, all but the first: libraries set themselves up in it."""
    recorded: dict[tuple, _Recording | None] = {}
    pool = torch.cuda.graph_pool_handle()

    def advance(portion: BlockGroup, finite_signal: Tensor) -> None:
        kind = portion.blocks, portion.updates, portion.whole
        if kind not in recorded:
            recorded[kind] = None
            launch(portion, finite_signal)
            return
        recording = recorded[kind]
        if recording is None:
            recording = recorded[kind] = _Recording(launch, portion, finite_signal, pool)
        recording.replay(portion, finite_signal)

    return advance


class _Recording:
    """The graph of a portion of one kind, with the tensors that it reads and writes."""

    def __init__(
        self, launch: Advance, portion: BlockGroup, finite_signal: Tensor, pool: tuple
    ) -> None:
        self.portion = replace(portion, order=portion.order.clone())
        self.finite_signal = finite_signal.clone()
        self.graph = torch.cuda.CUDAGraph()
        free, total = torch.cuda.mem_get_info()
        if free < total / 2:
            # While a graph is recorded, memory that is kept for later is not given up.
            torch.cuda.empty_cache()
        self.graph.capture_begin(pool=pool)
        try:
            launch(self.portion, self.finite_signal)
        except BaseException:
            # What is recorded must be ended, but that it is of no use is no news.
            with suppress(RuntimeError):
                self.graph.capture_end()
            raise
        self.graph.capture_end()

    def replay(self, portion: BlockGroup, finite_signal: Tensor) -> None:
        """Make the updates of another portion of the same kind."""
        if not portion.whole:  # whose minibatch is always the same
            self.portion.order.copy_(portion.order)
        self.graph.replay()
        finite_signal.copy_(self.finite_signal)
