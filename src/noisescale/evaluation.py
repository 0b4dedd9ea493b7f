"""Learning curves: when a run is evaluated, and its accuracy and cross-entropy there."""

from __future__ import annotations

import torch
from torch import Tensor

from noisescale.engine import forward

_CPU_ROWS = 2048
_GPU_BYTES = 1 << 30


def evaluation_updates(updates: int, per_decade: int) -> list[int]:
    """Return the numbers of updates after which a run is evaluated.

    They are log-spaced: 0 (the initial weights), 1, …, `updates`.
    """
    points, k = {0, updates}, 0
    while (point := round(10 ** (k / per_decade))) < updates:
        points.add(point)
        k += 1
    return sorted(points)


def evaluate(
    layers: list[Tensor], x: Tensor, labels: Tensor, members: Tensor | None = None
) -> tuple[list[float], list[float]]:
    """Return each network's accuracy and mean cross-entropy (nats) on labelled examples.

    Parameters
    ----------
    layers : list of Tensor, shapes (S, inputs + 1, outputs)
        The weights, see `noisescale.engine.forward`.
    x : Tensor, shape (n_pool, inputs + 1)
        Examples, with a last column of ones.
    labels : Tensor of int64, shape (S, n) or (1, n)
        Their classes, for each network or for all.
    members : Tensor of int64, shape (S, n), optional
        Which of the examples each network is evaluated on; all by default.

    Returns
    -------
    accuracy : list of float
    cross_entropy : list of float
        Not finite where a network's outputs are not.
    """
    stack, n = len(layers[0]), labels.shape[1]
    correct = torch.zeros(stack, dtype=torch.int64, device=x.device)
    nats = torch.zeros(stack, dtype=torch.float64, device=x.device)
    rows = _rows(layers, x, members is not None)
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        logits = forward(x[part] if members is None else x[members[:, part]], layers)
        truth = labels[:, part].expand(stack, -1)
        correct += (logits.argmax(2) == truth).sum(1)
        # Summed for each network by itself: in double precision, whatever it is beside.
        losses = torch.nn.functional.cross_entropy(logits.mT, truth, reduction="none")
        nats += losses.sum(1, dtype=torch.float64)
    return (correct.double() / n).tolist(), (nats / n).tolist()


def _rows(layers: list[Tensor], x: Tensor, gathered: bool) -> int:
    """Return how many examples to evaluate at a time: a CPU's cache full, or a part of a GPU's."""
    if x.device.type == "cpu":
        return _CPU_ROWS
    widest = max(layer.shape[2] for layer in layers) + gathered * x.shape[1]
    return max(1, _GPU_BYTES // (4 * len(layers[0]) * widest))
