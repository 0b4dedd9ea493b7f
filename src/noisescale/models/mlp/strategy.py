"""Which of the equivalent ways to train the first layer is the fastest for a run.

The choice depends only on the run and the kind of device, so that a run's result does not depend
on the stack that it is trained in. The constants are measured on one core of a server with AVX-512
(2 MB of cache) and on an NVIDIA H200.
"""

from __future__ import annotations

from noisescale.models.mlp.layer_sizes import hidden_widths
from noisescale.study.grid import Run

_SMALL = 1 << 15
"""A first layer with fewer weights stays in the cache together with those of other networks."""


def uses_dual(run: Run, n_inputs: int) -> bool:
    """Return whether a run's first layer is trained in its dual (`input_layer.Dual`).

    For a minibatch of B examples, the weights themselves (`input_layer.Primal`) take two products
    of B · inputs · outputs, the dual takes one of B · train_size · outputs.
    """
    return run.weight_decay == 0 and run.train_size <= 1.5 * n_inputs


def block_updates(run: Run, n_inputs: int, device: str = "cpu") -> int:
    """Return the number of updates of the first layer in a block.

    A block saves passes over all weights and replaces small products by large ones; with momentum
    it takes one more product, with the velocity. It saves less time for a layer that stays in a
    core's cache, and more on a GPU.
    """
    if run.weight_decay:
        return 1
    dual = uses_dual(run, n_inputs)
    if device != "cpu":
        largest, examples = 32, 256
    elif (run.train_size if dual else n_inputs) * hidden_widths(run)[0] < _SMALL:
        largest, examples = 4, 32
    else:
        largest, examples = 32 if dual or not run.momentum else 16, 128
    return min(64, examples // run.batch_size) if run.batch_size <= largest else 1
