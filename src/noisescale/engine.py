"""The stacked SGD engine: many networks of one shape, trained together as batched products.

A stack holds the layers of S multilayer perceptrons (ReLU, softmax, cross-entropy) side by side,
with forward and backward pass written out. Each layer's bias is the last row of its weights and
meets a constant 1 beside its inputs. The gradient is never formed: its matrix product
accumulates straight into the velocity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Stack:
    """S networks under SGD with heavy-ball momentum, as ``torch.optim.SGD`` defines it.

    With mean minibatch loss L, weight decay d, momentum m and learning rate ε::

        v ← m v + ∇L + d w,   w ← w − ε v

    What is stored is u = −ε v, so that w ← w + u.

    Parameters
    ----------
    layers : list of Tensor, shapes (S, inputs + 1, outputs)
        Initial weights, the bias in the last row. Copied.
    learning_rate, weight_decay : Tensor, shape (S,)
        One value for each network.
    momentum
        In [0, 1), the same for all.
    batch_size
        Number of examples in each minibatch.

    Attributes
    ----------
    layers : list of Tensor, shapes (S, inputs + 1, outputs)
        The present weights: views of `weights`.
    weights : Tensor, shape (S, P)
        All P parameters of each network.
    """

    def __init__(
        self,
        layers: list[Tensor],
        learning_rate: Tensor,
        weight_decay: Tensor,
        momentum: float,
        batch_size: int,
    ) -> None:
        self.shapes = [tuple(layer.shape[1:]) for layer in layers]
        self.weights = torch.cat([layer.flatten(1) for layer in layers], dim=1)
        self.velocity = torch.zeros_like(self.weights) if momentum else self.weights
        self.momentum = momentum
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._bind()

    def __len__(self) -> int:
        return len(self.weights)

    def keep(self, chosen: Tensor) -> None:
        """Drop all networks but the chosen ones (Tensor of bool, shape (S,))."""
        self.weights = self.weights[chosen]
        self.velocity = self.velocity[chosen] if self.momentum else self.weights
        self.learning_rate = self.learning_rate[chosen]
        self.weight_decay = self.weight_decay[chosen]
        self._bind()

    def _bind(self) -> None:
        """Make the views and buffers that a step works on."""
        self.layers = _views(self.weights, self.shapes)
        self._velocities = _views(self.velocity, self.shapes)
        self._slopes = [layer[:, :-1].mT for layer in self.layers]
        self._step_size = (-self.learning_rate / self.batch_size)[:, None, None]
        decay = self.learning_rate * self.weight_decay
        self._decay = decay[:, None] if decay.any() else None
        self._output_delta = self.weights.new_empty(len(self), self.batch_size, self.shapes[-1][1])
        # The activations of the hidden layers, each with its constant 1 in the last column.
        self._hidden = []
        for _, outputs in self.shapes[:-1]:
            activation = self.weights.new_ones(len(self), self.batch_size, outputs + 1)
            self._hidden.append((activation, activation[:, :, :-1]))

    def step(self, x: Tensor, targets: Tensor) -> Tensor:
        """Make one update of every network on its own minibatch.

        Parameters
        ----------
        x : Tensor, shape (S, batch_size, inputs + 1)
            Minibatches, with a last column of ones.
        targets : Tensor, shape (S, batch_size, n_classes)
            One-hot labels.

        Returns
        -------
        Tensor, shape (S, batch_size, n_classes)
            −ε/B times the loss's gradient in the logits: not finite from the update on at which
            a network diverges.
        """
        inputs = [x]
        for (activation, units), layer in zip(self._hidden, self.layers, strict=False):
            torch.clamp_min(torch.bmm(inputs[-1], layer), 0, out=units)
            inputs.append(activation)
        logits = torch.bmm(inputs[-1], self.layers[-1])
        # On a CPU, softmax over the last of few classes is many times slower than over the first.
        delta = torch.sub(torch.softmax(logits.mT, 1).mT, targets, out=self._output_delta)
        delta.mul_(self._step_size)

        deltas = [delta]
        for (_, units), slope in zip(self._hidden[::-1], self._slopes[:0:-1], strict=True):
            delta = torch.ops.aten.threshold_backward(torch.bmm(delta, slope), units, 0)
            deltas.append(delta)

        if self._decay is not None:
            decayed = self.weights * self._decay
        for velocity, source, delta in zip(self._velocities, inputs, deltas[::-1], strict=True):
            velocity.baddbmm_(source.mT, delta, beta=self.momentum or 1)
        if self._decay is not None:
            self.velocity.sub_(decayed)
        if self.momentum:
            self.weights.add_(self.velocity)
        return deltas[0]


def _views(flat: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """Cut each network's row of parameters into its layers."""
    parts = flat.split([math.prod(shape) for shape in shapes], dim=1)
    return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]


def forward(x: Tensor, layers: list[Tensor]) -> Tensor:
    """Return the logits of S networks on the same examples.

    Parameters
    ----------
    x : Tensor, shape (n, inputs + 1) or (S, n, inputs + 1)
        Examples, with a last column of ones.
    layers : list of Tensor, shapes (S, inputs + 1, outputs)
        Weights, the bias in the last row.

    Returns
    -------
    Tensor, shape (S, n, n_classes)
    """
    x = torch.matmul(x, layers[0])
    for layer in layers[1:]:
        x = torch.matmul(x.clamp_min_(0), layer[:, :-1]).add_(layer[:, -1:])
    return x
