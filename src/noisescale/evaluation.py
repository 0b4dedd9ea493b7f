"""Learning curves: when a run is evaluated, and its accuracy and cross-entropy there."""

from __future__ import annotations

import torch
from torch import Tensor

from noisescale.engine import forward

_ROWS = {"cpu": 2048, "cuda": 65536}
"""Examples evaluated at a time: what stays in a CPU's cache, or fills a GPU."""


def evaluation_updates(updates: int, per_decade: int) -> list[int]:
    """Return the numbers of updates after which a run is evaluated.

    They are log-spaced: 0 (the initial weights), 1, …, `updates`.
    """
    points, k = {0, updates}, 0
    while (point := round(10 ** (k / per_decade))) < updates:
        points.add(point)
        k += 1
    return sorted(points)


def evaluate(layers: list[Tensor], x: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return one network's accuracy and mean cross-entropy (nats) on labelled examples.

    Parameters
    ----------
    layers : list of Tensor, shapes (1, inputs + 1, outputs)
        The weights, see `noisescale.engine.forward`.
    x : Tensor, shape (n, inputs + 1)
        Examples, with a last column of ones.
    labels : Tensor of int64, shape (n,)
        Their classes.

    Returns
    -------
    accuracy : float
    cross_entropy : float
        Not finite where the network's outputs are not.
    """
    correct = torch.zeros((), dtype=torch.int64, device=x.device)
    nats = torch.zeros((), dtype=torch.float64, device=x.device)
    rows = _ROWS[x.device.type]
    for part, truth in zip(x.split(rows), labels.split(rows), strict=True):
        logits = forward(part, layers)[0]
        correct += (logits.argmax(1) == truth).sum()
        nats += torch.nn.functional.cross_entropy(logits, truth, reduction="sum")
    return correct.item() / len(x), nats.item() / len(x)
