"""CUDA graphs: a block of updates as one launch.

At small batch sizes a GPU waits for its kernels to be launched, one by one. A graph records the
launches of a block once and replays them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from noisescale.engine import Stack
from noisescale.sampling import Block

Advance = Callable[[Block, Tensor], None]


def advancing(stack: Stack) -> Advance:
    """Return the stack's `advance`, by way of CUDA graphs where it lies on a GPU.

    It holds for as long as the stack keeps all its networks.
    """
    if stack.learning_rate.device.type != "cuda":
        return stack.advance
    recorded: dict[tuple, _Recording] = {}

    def advance(block: Block, probe: Tensor) -> None:
        kind = block.updates, block.whole
        if kind not in recorded:
            recorded[kind] = _Recording(stack, block, probe)
        recorded[kind].replay(block, probe)

    return advance


class _Recording:
    """The graph of a block of one kind, with the tensors that it reads and writes."""

    def __init__(self, stack: Stack, block: Block, probe: Tensor) -> None:
        self.block = Block(
            block.x.clone(),
            block.targets.clone(),
            block.positions.clone(),
            block.updates,
            block.whole,
        )
        self.probe = probe.clone()
        # Libraries set themselves up in their first call, which cannot be recorded and which must
        # not count as an update.
        before = {name: value.clone() for name, value in stack.state().items()}
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            stack.advance(self.block, self.probe)
        torch.cuda.current_stream().wait_stream(aside)
        for name, value in stack.state().items():
            value.copy_(before[name])
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            stack.advance(self.block, self.probe)

    def replay(self, block: Block, probe: Tensor) -> None:
        if not block.whole:  # whose minibatch is always the same
            self.block.x.copy_(block.x)
            self.block.targets.copy_(block.targets)
            self.block.positions.copy_(block.positions)
        self.graph.replay()
        probe.copy_(self.probe)
