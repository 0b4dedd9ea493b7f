"""SGD with momentum for many multilayer perceptrons of one shape: `StackedMLP` has the update.

A stack holds the layers of S perceptrons (ReLU, softmax, cross-entropy). Forward pass, backward
pass and momentum update are written out as batched matrix products. Each layer's bias is the last
row of its weights, which a constant 1 in the layer's input multiplies. The gradient is never
formed: the matrix product that computes it accumulates directly into the velocity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noisescale.models.block import Block
from noisescale.models.mlp.batched import accumulate, baddbmm, bmm
from noisescale.models.mlp.input_layer import Dual, Primal


class StackedMLP:
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
        In [0, 1), the same for all networks.
    batch_size
        Number of examples in each minibatch.
    training_sets : tuple of Tensor, optional
        All training sets, shape (n_sets, train_size, inputs + 1), and each network's row among
        them, shape (S,). If given, the first layer is trained in its `Dual`, which has no weight
        decay.
    """

    def __init__(
        self,
        layers: list[Tensor],
        learning_rate: Tensor,
        weight_decay: Tensor,
        momentum: float,
        batch_size: int,
        training_sets: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.momentum = momentum
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        decay = learning_rate * weight_decay
        self.decay = decay if weight_decay.any() else None
        self.first: Primal | Dual
        if training_sets is None:
            self.first = Primal(layers[0].clone(), momentum, self.decay)
        else:
            self.first = Dual(layers[0].clone(), momentum, *training_sets)
        # All layers but the first are stored with outputs before inputs: a product with few
        # columns, the classes, is several times slower than one with few rows.
        row_major = torch.contiguous_format
        self._layers = [layer.mT.clone(memory_format=row_major) for layer in layers[1:]]
        self._velocities = [torch.zeros_like(w) for w in self._layers] if momentum else self._layers
        self._prepare_buffers()

    def __len__(self) -> int:
        return len(self.learning_rate)

    @property
    def layers(self) -> list[Tensor]:
        """The current weights, shapes (S, inputs + 1, outputs)."""
        return [self.first.weights, *(layer.mT for layer in self._layers)]

    @property
    def weights(self) -> Tensor:
        """All P parameters of each network, shape (S, P)."""
        return torch.cat([layer.flatten(1) for layer in self.layers], dim=1)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, each of shape (S, …), not copied."""
        tensors = {f"first_{name}": value for name, value in self.first.state().items()}
        tensors |= {f"w{i}": layer for i, layer in enumerate(self._layers, 1)}
        if self.momentum:
            tensors |= {f"u{i}": velocity for i, velocity in enumerate(self._velocities, 1)}
        return tensors

    def select(self, mask: Tensor) -> None:
        """Keep the networks where `mask` (Tensor of bool, shape (S,)) is true."""
        self.first.select(mask)
        self._layers = [layer[mask] for layer in self._layers]
        velocities = [u[mask] for u in self._velocities] if self.momentum else self._layers
        self._velocities = velocities
        self.learning_rate = self.learning_rate[mask]
        self.decay = None if self.decay is None else self.decay[mask]
        self._prepare_buffers()

    def _prepare_buffers(self) -> None:
        """Create the views and buffers that an update uses."""
        slopes = [layer[:, :, :-1] for layer in self._layers]
        self._step_size = (-self.learning_rate / self.batch_size)[:, None, None]
        # The activations of the hidden layers, each with a constant 1 in the last column.
        self._hidden = []
        for layer in self._layers:
            activation = layer.new_ones(len(self), self.batch_size, layer.shape[2])
            self._hidden.append((activation, activation[:, :, :-1]))
        parts = zip(self._layers, self._velocities, slopes, self._hidden, strict=True)
        self._backwards = list(enumerate(parts))[::-1]

    def advance(self, block: Block, finite_signal: Tensor) -> None:
        """Make the updates of a block.

        Parameters
        ----------
        block
            The minibatches; of one update only, where there is weight decay.
        finite_signal : Tensor, shape (updates, S)
            Output; non-finite from the update at which a network diverges.
        """
        a = self.first.outputs(block)
        d = a if block.updates == 1 else torch.empty_like(a)
        influence = self.first.influence(block) if block.updates > 1 else None
        for t in range(block.updates):
            start, stop = t * self.batch_size, (t + 1) * self.batch_size
            outputs = a[:, start:stop]
            if t and influence is not None:
                # Add what the block's earlier updates have changed.
                outputs = baddbmm(outputs, influence[:, start:stop, :start], d[:, :start])
            self._update(outputs, block.targets[:, start:stop], d[:, start:stop], finite_signal[t])
        self.first.update(block, d)

    def _update(
        self, a: Tensor, targets: Tensor, first_delta: Tensor, finite_signal: Tensor
    ) -> None:
        """Update all layers except the first, whose scaled gradient is written to `first_delta`.

        Parameters
        ----------
        a : Tensor, shape (S, batch_size, outputs)
            Pre-activations of the first layer.
        targets : Tensor, shape (S, batch_size, n_classes)
            One-hot labels.
        first_delta : Tensor, shape (S, batch_size, outputs)
            Output: −ε/B times the gradient of the summed loss with respect to `a`; may be `a`.
        finite_signal : Tensor, shape (S,)
            Output: sum of the scaled gradient with respect to the logits.
        """
        for (activation, units), layer in zip(self._hidden, self._layers, strict=True):
            torch.clamp_min(a, 0, out=units)
            a = bmm(layer, activation.mT).mT
        delta = torch.softmax(a.mT, 1).sub_(targets.mT).mul_(self._step_size)
        torch.sum(delta, (1, 2), out=finite_signal)

        for i, (layer, velocity, slopes, (activation, units)) in self._backwards:
            delta_below = bmm(delta.mT, slopes)
            decayed = None if self.decay is None else layer * self.decay[:, None, None]
            # The update with momentum m: u ← m u − ε ∇L, w ← w + u. Without, u is w itself.
            accumulate(velocity, delta, activation, self.momentum or 1)
            if decayed is not None:
                velocity.sub_(decayed)
            if self.momentum:
                layer.add_(velocity)
            out = first_delta if i == 0 else delta_below
            torch.ops.aten.threshold_backward.grad_input(delta_below, units, 0, grad_input=out)
            delta = delta_below.mT


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
        # With the classes as rows: see `StackedMLP`.
        x = torch.matmul(layer[:, :-1].mT, x.clamp_min_(0).mT).add_(layer[:, -1:].mT).mT
    return x
