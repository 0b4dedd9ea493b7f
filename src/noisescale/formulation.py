"""Which of the equivalent ways to train a first layer is the fastest for a run.

The choice is a function of the run alone, so that its result does not depend on what it is
trained beside. The constants are of one core of a server with AVX-512 (2 MB of cache).
"""

from __future__ import annotations

from noisescale.grid import Run

_BLOCK_EXAMPLES = 64


def in_dual(run: Run, n_inputs: int) -> bool:
    """Return whether to train a run's first layer in its dual (`noisescale.first_layer.Dual`).

    Of a minibatch of B, the weights themselves take two products of B · inputs · outputs, the dual
    one of B · train_size · outputs.
    """
    return run.weight_decay == 0 and run.train_size <= 1.5 * n_inputs


def block_updates(run: Run, n_inputs: int) -> int:
    """Return how many updates of the first layer to make at once.

    It saves passes over all weights, and makes long products of short ones; with momentum it
    takes a product more, with the velocity.
    """
    largest = 4 if run.momentum else 8
    if in_dual(run, n_inputs):
        largest *= 2
    if run.weight_decay or run.batch_size > largest:
        return 1
    return _BLOCK_EXAMPLES // run.batch_size
