"""The work, parameters and memory of a multilayer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from noisescale.models.mlp.layer_sizes import hidden_widths, layer_sizes
from noisescale.models.mlp.strategy import block_updates, uses_dual
from noisescale.models.work import Work, same_for_all_seeds
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run

_CALLS = 11
"""Calls of the tensor library per update, in addition to four for each hidden layer."""
_CALLS_OF_BLOCK = 4
"""Further calls per block of updates."""


def n_parameters(run: Run, shape: Shape) -> int:
    """Return the number of a run's weights and biases."""
    sizes = layer_sizes(run, shape.n_inputs, shape.n_classes)
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))


def update_work(run: Run, shape: Shape, stack: int, device: str = "cpu") -> Work:
    """Return a run's work for one update, in a stack of `stack` runs."""
    dual, block = uses_dual(run, shape.n_inputs), block_updates(run, shape.n_inputs, device)
    widths = hidden_widths(run)
    inputs, outputs = shape.n_inputs + 1, widths[0]
    rest = n_parameters(run, shape) - inputs * outputs
    first = (run.train_size if dual else inputs) * outputs
    products = (1 if dual else 2) * (2 if block > 1 and run.momentum else 1)
    flops = 2 * run.batch_size * (products * first + 3 * rest)
    if block > 1:
        # What the block's updates change: on average, half of its examples at each.
        flops += run.batch_size**2 * block * (outputs + (0 if dual else 2 * inputs))
    # Weights are read and written; with momentum, so is the velocity.
    passes = 6 if run.momentum else 3
    activations = run.batch_size * (inputs + 5 * sum(widths) + 6 * shape.n_classes)
    moved = 4 * (passes * (first / block + rest) + activations)
    calls = (_CALLS + 4 * len(widths) + _CALLS_OF_BLOCK / block) / stack
    of_block = 2 if block == 1 else 5 if run.momentum else 3
    matrices = 3 * len(widths) + (block > 1) + of_block / block
    return Work(calls, matrices, run.batch_size, flops, moved)


def evaluation_work(run: Run, shape: Shape) -> Work:
    """Return a run's work for one evaluation, on its training set and the test set."""
    examples = run.train_size + shape.n_test
    widths = hidden_widths(run)
    flops = 2 * n_parameters(run, shape) * examples
    if uses_dual(run, shape.n_inputs):  # the weights are computed first
        flops += 2 * run.train_size * (shape.n_inputs + 1) * widths[0]
    moved = 8 * sum(widths) + 40 * shape.n_classes
    return Work(0, 0, examples, flops, moved * examples)


@same_for_all_seeds
def run_bytes(run: Run, shape: Shape, device: str = "cpu") -> int:
    """Return the memory that a run holds while it trains: weights, velocity, minibatches."""
    inputs, widths = shape.n_inputs + 1, hidden_widths(run)
    weights = n_parameters(run, shape) * (2 if run.momentum else 1)
    if uses_dual(run, shape.n_inputs):
        inputs = run.train_size
        weights += (3 if run.momentum else 2) * inputs * widths[0]
    examples = run.batch_size * block_updates(run, shape.n_inputs, device)
    return 4 * (weights + examples * (inputs + 3 * sum(widths) + 4 * shape.n_classes))


def shared_bytes(runs: Iterable[Run], shape: Shape) -> int:
    """Return the memory of the dual's training sets and Gram matrices, one of each per set."""
    sets = {(run.train_size, run.seed) for run in runs if uses_dual(run, shape.n_inputs)}
    return sum(4 * size * (size + shape.n_inputs) for size, _ in sets)
