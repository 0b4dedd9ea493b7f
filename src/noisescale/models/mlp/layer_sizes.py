"""The layer sizes of a run's perceptron."""

from __future__ import annotations

from noisescale.study.grid import Run


def hidden_widths(run: Run) -> list[int]:
    """Return the widths of the hidden layers, from the input on: [400, 200] of ``400x200``."""
    return [int(width) for width in run.hidden.split("x")]


def layer_sizes(run: Run, n_inputs: int, n_classes: int) -> tuple[int, ...]:
    """Return the number of inputs, the widths of the hidden layers and the number of classes."""
    return (n_inputs, *hidden_widths(run), n_classes)
