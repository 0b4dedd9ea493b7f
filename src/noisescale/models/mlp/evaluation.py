"""Learning curves: a network's accuracy and cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from noisescale.models.mlp.network import forward

_CPU_ROWS = 2048
_GPU_BYTES = 1 << 28


def evaluate(
    layers: list[Tensor], x: Tensor, labels: Tensor, members: Tensor | None = None
) -> tuple[list[float], list[float]]:
    """Return each network's accuracy and mean cross-entropy (nats) on labelled examples.

    Parameters
    ----------
    layers : list of Tensor, shapes (S, inputs + 1, outputs)
        The weights, see `noisescale.models.mlp.network.forward`.
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
        logits = forward(x[part] if members is None else x[members[:, part]], layers).mT
        truth = labels[:, part].expand(stack, -1)
        # argmax would take a third of a small network's evaluation.
        correct += (logits.gather(1, truth[:, None])[:, 0] == logits.amax(1)).sum(1)
        losses = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
        nats += losses.sum(1, dtype=torch.float64)
    return (correct.double() / n).tolist(), (nats / n).tolist()


def _rows(layers: list[Tensor], x: Tensor, gathered: bool) -> int:
    """Return how many examples to evaluate at a time: a CPU's cache full, or a part of a GPU's."""
    if x.device.type == "cpu":
        return _CPU_ROWS
    widest = max(layer.shape[2] for layer in layers) + gathered * x.shape[1]
    return max(1, _GPU_BYTES // (4 * len(layers[0]) * widest))
