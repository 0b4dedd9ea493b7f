"""Which of the equivalent ways to train a first layer is the fastest for a run.

The choice is a function of the run and the kind of device alone, so that its result does not
depend on what it is trained beside. The constants are of one core of a server with AVX-512 (2 MB of
cache), and of an NVIDIA H200.
"""

from __future__ import annotations

from noisescale.grid import Run


def in_dual(run: Run, n_inputs: int) -> bool:
    """Return whether to train a run's first layer in its dual (`noisescale.first_layer.Dual`).

    Of a minibatch of B, the weights themselves take two products of B · inputs · outputs, the dual
    one of B · train_size · outputs.
    """
    return run.weight_decay == 0 and run.train_size <= 1.5 * n_inputs


def block_updates(run: Run, n_inputs: int, device: str = "cpu") -> int:
    """Return how many updates of the first layer to make at once.

    It saves passes over all weights, and makes long products of short ones; with momentum it
    takes a product more, with the velocity. A GPU's passes cost more beside its products than a
    CPU's, which finds the weights in its cache.
    """
    if run.weight_decay:
        return 1
    if device != "cpu":
        largest, examples = 32, 256
    else:
        largest, examples = 4 if run.momentum else 8, 64
        largest *= 2 if in_dual(run, n_inputs) else 1
    return min(64, examples // run.batch_size) if run.batch_size <= largest else 1


def stack_key(run: Run) -> tuple:
    """Return what runs must share to be trained in one stack: shapes, arithmetic, budget."""
    shape = (run.hidden, run.preprocessing, run.train_size, run.batch_size)
    return (*shape, run.momentum, run.weight_decay > 0, run.updates)
