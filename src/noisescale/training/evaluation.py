"""Accuracy and cross-entropy of a stack's networks: a point of their learning curves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noisescale.models.architecture import StackedModel

_CPU_EXAMPLES = 2048
"""Number of examples that a CPU evaluates together: their activations stay in its cache."""
_GPU_BYTES = 1 << 28
"""Size of the activations that a GPU computes together."""


@dataclass(frozen=True)
class LabelledExamples:
    """Examples that networks are evaluated on.

    Attributes
    ----------
    x : Tensor, shape (n_pool, …)
        Examples, from `Architecture.prepare_inputs`.
    labels : Tensor of int64, shape (S, n) or (1, n)
        Their classes, for each network or for all.
    members : Tensor of int64, shape (S, n), optional
        The examples of each network, as rows of `x`; all of them in their order by default.
    """

    x: Tensor
    labels: Tensor
    members: Tensor | None = None


def evaluate(model: StackedModel, *sets: LabelledExamples) -> list[tuple[list[float], list[float]]]:
    """Return the accuracy and the mean cross-entropy of each network on sets of examples.

    Parameters
    ----------
    model
        The S networks.
    *sets
        The sets of examples.

    Returns
    -------
    list of (list of float, list of float)
        For each set, the accuracies in [0, 1] (a tie of k classes counts 1/k) and the
        cross-entropies in nats of the S networks; a cross-entropy is not finite where the network's
        logits are not.
    """
    predict = model.predictor()
    result = []
    for examples in sets:
        x, labels, members = examples.x, examples.labels, examples.members
        n = labels.shape[1]
        correct = torch.zeros(len(model), dtype=torch.float64, device=x.device)
        nats = torch.zeros(len(model), dtype=torch.float64, device=x.device)
        chunk = _chunk_size(model, examples)
        for start in range(0, n, chunk):
            rows = slice(start, start + chunk)
            logits = predict(x[rows] if members is None else x[members[:, rows]]).mT
            truth = labels[:, rows].expand(len(model), -1)
            correct += _correct(logits, truth)
            losses = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
            nats += losses.sum(1, dtype=torch.float64)
        result.append(((correct / n).tolist(), (nats / n).tolist()))
    return result


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many examples each network classifies correctly.

    An example whose label is among k classes with the largest logit counts 1/k, the chance that a
    random choice among them is right.

    Parameters
    ----------
    logits : Tensor, shape (S, n_classes, n)
    labels : Tensor of int64, shape (S, n)

    Returns
    -------
    Tensor of float64, shape (S,)
    """
    # Not argmax, which ignores ties and would take a third of a small network's evaluation.
    largest = logits == logits.amax(1, keepdim=True)
    right = largest.gather(1, labels[:, None])[:, 0]
    # Non-finite logits have no largest one.
    return (right / largest.sum(1).clamp_min(1)).sum(1, dtype=torch.float64)


def _chunk_size(model: StackedModel, examples: LabelledExamples) -> int:
    """Return how many examples to evaluate at a time."""
    if examples.x.is_cpu:
        return _CPU_EXAMPLES
    gathered = 0 if examples.members is None else examples.x[0].numel()
    return max(1, _GPU_BYTES // (4 * len(model) * (model.widest + gathered)))
