"""Which of the equivalent ways to train a first layer is the fastest for a run.

The choice is a function of the run and the kind of device alone, so that its result does not
depend on what it is trained beside. The constants are of one core of a server with AVX-512 (2 MB of
cache), and of an NVIDIA H200.
"""

from __future__ import annotations

from noisescale.study.grid import Run

_SMALL = 1 << 15
"""Weights of a first layer that stays in the cache beside those of other networks."""


def uses_dual(run: Run, n_inputs: int) -> bool:
    """Return whether to train a run's first layer in its dual (`noisescale.models.mlp.input_layer.Dual`).

    Of a minibatch of B, the weights themselves take two products of B · inputs · outputs, the dual
    one of B · train_size · outputs.
    """
    return run.weight_decay == 0 and run.train_size <= 1.5 * n_inputs


def block_updates(run: Run, n_inputs: int, device: str = "cpu") -> int:
    """Return how many updates of the first layer to make at once.

    It saves passes over all weights, and makes long products of short ones; with momentum it takes
    a product more, with the velocity. It pays less for a layer that stays in a core's cache, and
    more on a GPU.
    """
    if run.weight_decay:
        return 1
    dual = uses_dual(run, n_inputs)
    if device != "cpu":
        largest, examples = 32, 256
    elif (run.train_size if dual else n_inputs) * run.widths[0] < _SMALL:
        largest, examples = 4, 32
    else:
        largest, examples = 32 if dual or not run.momentum else 16, 128
    return min(64, examples // run.batch_size) if run.batch_size <= largest else 1


def stack_key(run: Run) -> tuple:
    """Return what runs must share to be trained in one stack: shapes, arithmetic, budget."""
    shape = (run.hidden, run.preprocessing, run.train_size, run.batch_size)
    return (*shape, run.momentum, run.weight_decay > 0, run.updates)
