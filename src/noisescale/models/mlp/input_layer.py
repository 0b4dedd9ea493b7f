"""The first layer of a stack.

Its inputs are the training examples, which are known in advance. This allows two reformulations,
which are equal to plain SGD in exact arithmetic:

Block
    The pre-activations of the next K minibatches with the current weights are one matrix product;
    what the K updates change in between is a sum of outer products, added update by update.
Dual
    The weights are their initial values plus a linear combination of the training examples, whose
    coefficients can be trained instead of the weights.

With velocity v and u = −ε v, the momentum update of the weights w on a minibatch X, with scaled
gradient d = −ε ∂L/∂(X w) of its pre-activations, is::

    u ← m u + Xᵀ d,   w ← w + u
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from noisescale.models.block import Block
from noisescale.models.mlp.batched import accumulate, baddbmm, bmm

_CACHED = 1 << 17
"""Number of weights that, with their velocities, stay in a core's cache between two operations."""


class Primal:
    """Weights and velocity themselves.

    Parameters
    ----------
    weights : Tensor, shape (S, inputs, outputs)
        Initial weights of S networks; not copied, changed in place.
    momentum
        In [0, 1).
    decay : Tensor, shape (S,), or None
        Learning rate times weight decay. With weight decay, a block is one update.
    """

    def __init__(self, weights: Tensor, momentum: float, decay: Tensor | None = None) -> None:
        self.w = weights
        self.u = torch.zeros_like(weights) if momentum else None
        self.momentum = momentum
        self.decay = decay
        self._split_weights()

    @property
    def weights(self) -> Tensor:
        """The current weights, shape (S, inputs, outputs)."""
        return self.w

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that change, each of shape (S, …)."""
        return {"w": self.w} | ({} if self.u is None else {"u": self.u})

    def select(self, mask: Tensor) -> None:
        """Keep the networks where `mask` (Tensor of bool, shape (S,)) is true."""
        self.w = self.w[mask]
        self.u = None if self.u is None else self.u[mask]
        self.decay = None if self.decay is None else self.decay[mask]
        self._split_weights()

    def _split_weights(self) -> None:
        """Split large weights and velocities into parts that stay in a core's cache for an update.

        Network by network, so that the products are the same in a stack of any size. Without
        momentum the weights take the place of the velocity.
        """
        everything = slice(None)
        self._parts = [(everything, everything, self.w, self.w if self.u is None else self.u)]
        if self.u is not None and self.w.is_cpu and len(rows := _row_slices(self.w)) > 1:
            networks = [slice(i, i + 1) for i in range(len(self.w))]
            self._parts = [
                (network, part, self.w[network, part], self.u[network, part])
                for network in networks
                for part in rows
            ]

    def outputs(self, block: Block) -> Tensor:
        """Return the block's pre-activations, without what its own updates change.

        Returns
        -------
        Tensor, shape (S, updates · batch_size, outputs)
        """
        a = bmm(block.x, self.w)
        if self.u is not None and block.updates > 1:
            _add_drift(a, block, self.u, self._sums(block))
        return a

    def influence(self, block: Block) -> Tensor:
        """Return how much each example's gradient changes a later example's pre-activation.

        Returns
        -------
        Tensor, shape (S, n, n) with n = updates · batch_size
            [s, i, j] is not zero where the update of example j precedes that of i.
        """
        return bmm(block.x, block.x.mT).mul_(self._sums(block).influence)

    def update(self, block: Block, d: Tensor) -> None:
        """Make the updates of a block: the momentum update of the module's docstring.

        Parameters
        ----------
        block
            The examples.
        d : Tensor, shape (S, updates · batch_size, outputs)
            Their scaled gradients.
        """
        if self.momentum and block.updates > 1:
            sums = self._sums(block)
            to_weights, to_velocity = d * sums.to_weights, d * sums.to_velocity
        x = block.x.mT
        for network, rows, w, u in self._parts:
            xt = x[network, rows]
            if self.momentum and block.updates > 1:
                w.add_(u, alpha=sums.total_drift)
                accumulate(w, xt, to_weights[network])
                accumulate(u, xt, to_velocity[network], sums.velocity_factor)
                continue
            decayed = None if self.decay is None else w * self.decay[network, None, None]
            accumulate(u, xt, d[network], self.momentum or 1)
            if decayed is not None:
                u.sub_(decayed)
            if self.momentum:
                w.add_(u)

    def _sums(self, block: Block) -> MomentumSums:
        batch_size = block.x.shape[1] // block.updates
        return momentum_sums(self.momentum, block.updates, batch_size, self.w.dtype, self.w.device)


class Dual:
    """Coefficients of the training examples whose combination is added to the initial weights.

    With training examples X, the weights are w = w₀ + Xᵀ c. An update on the examples b among them
    takes one product, with their rows of X Xᵀ, where the weights themselves take two, with X and
    Xᵀ::

        X_b w = X_b w₀ + (X Xᵀ)_b c,   u ← m u,   u_b ← u_b + d,   c ← c + u

    It is faster while the training set is smaller than twice the number of inputs.

    Parameters
    ----------
    weights : Tensor, shape (S, inputs, outputs)
        Initial weights of S networks; not copied.
    momentum
        In [0, 1).
    x : Tensor, shape (n_sets, train_size, inputs)
        The training sets. The examples `x` of a block are rows of their Gram matrices.
    set_row : Tensor of int64, shape (S,)
        Each network's row in `x`.
    """

    def __init__(self, weights: Tensor, momentum: float, x: Tensor, set_row: Tensor) -> None:
        self.initial = weights
        self.x = x
        self.set_row = set_row
        self.momentum = momentum
        self.initial_outputs = torch.stack(
            [torch.mm(x[row], w) for row, w in zip(set_row.tolist(), weights, strict=True)]
        )
        self.c = torch.zeros_like(self.initial_outputs)
        self.u = torch.zeros_like(self.c) if momentum else None
        self._index_rows()

    @property
    def weights(self) -> Tensor:
        """The current weights, shape (S, inputs, outputs)."""
        return torch.stack(
            [
                torch.addmm(initial, self.x[row].T, c)
                for row, initial, c in zip(self.set_row.tolist(), self.initial, self.c, strict=True)
            ]
        )

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that change, each of shape (S, …)."""
        return {"c": self.c} | ({} if self.u is None else {"u": self.u})

    def select(self, mask: Tensor) -> None:
        """Keep the networks where `mask` (Tensor of bool, shape (S,)) is true."""
        self.initial, self.set_row = self.initial[mask], self.set_row[mask]
        self.initial_outputs, self.c = self.initial_outputs[mask], self.c[mask]
        self.u = None if self.u is None else self.u[mask]
        self._index_rows()

    def _index_rows(self) -> None:
        """Find where each network's training set begins among the rows of all networks."""
        stack, train_size = self.c.shape[:2]
        rows = torch.arange(stack * train_size, device=self.c.device)
        self._first_row = rows.view(stack, train_size)[:, :1]
        large = self.c.is_cpu and stack and train_size * self.c.shape[2] >= _CACHED
        self._drift_step = _fused_drift(self.c, self.u) if large and self.u is not None else None

    def outputs(self, block: Block) -> Tensor:
        """Return the block's pre-activations, see `Primal.outputs`."""
        if block.whole:
            return baddbmm(self.initial_outputs, block.x, self.c)
        a = self.initial_outputs.flatten(0, 1).index_select(0, self._rows(block))
        a = a.unflatten(0, block.positions.shape)
        accumulate(a, block.x, self.c)
        if self.u is not None and block.updates > 1:
            _add_drift(a, block, self.u, self._sums(block))
        return a

    def influence(self, block: Block) -> Tensor:
        """Return how later pre-activations depend on gradients, see `Primal.influence`."""
        columns = block.positions[:, None, :].expand(-1, block.x.shape[1], -1)
        return block.x.gather(2, columns).mul_(self._sums(block).influence)

    def update(self, block: Block, d: Tensor) -> None:
        """Make the updates of a block, see `Primal.update`."""
        if self.u is None:
            self._add(self.c, block, d)
        elif block.whole:
            torch.add(d, self.u, alpha=self.momentum, out=self.u)
            self.c.add_(self.u)
        elif block.updates == 1 and self._drift_step is not None:
            self._drift_step(momentum=self.momentum)
            self._add(self.u, block, d)
            self._add(self.c, block, d)
        elif block.updates == 1:
            self.u.mul_(self.momentum)
            self._add(self.u, block, d)
            self.c.add_(self.u)
        else:
            sums = self._sums(block)
            self.c.add_(self.u, alpha=sums.total_drift)
            self._add(self.c, block, d * sums.to_weights)
            self.u.mul_(sums.velocity_factor)
            self._add(self.u, block, d * sums.to_velocity)

    def _add(self, to: Tensor, block: Block, d: Tensor) -> None:
        """Add the examples' rows to those of the training set; a block has no example twice."""
        if block.whole:
            to.add_(d)
        else:
            to.flatten(0, 1).index_add_(0, self._rows(block), d.flatten(0, 1))

    def _rows(self, block: Block) -> Tensor:
        return (block.positions + self._first_row).flatten()

    def _sums(self, block: Block) -> MomentumSums:
        batch_size = block.x.shape[1] // block.updates
        return momentum_sums(self.momentum, block.updates, batch_size, self.c.dtype, self.c.device)


def _row_slices(weights: Tensor) -> list[slice]:
    """Return the rows of a network's weights that are updated together."""
    _, inputs, outputs = weights.shape
    n = min(math.ceil(inputs * outputs / _CACHED), inputs)
    cuts = [i * inputs // n for i in range(n + 1)]
    return [slice(*ends) for ends in itertools.pairwise(cuts)]


def _fused_drift(c: Tensor, u: Tensor) -> Callable[..., None]:
    """Return a function that computes u ← m u, c ← c + u in one pass over both, on a CPU.

    It is torch's fused optimizer with a gradient of zeros, which stay in a core's cache.
    """

    def split(x: Tensor) -> list[Tensor]:
        # Network by network, so that rounding at a vector's end does not depend on the stack.
        return [part for network in x for part in network.view(-1).split(_CACHED)]

    zeros = c.new_zeros(_CACHED)
    parts = split(c)
    return partial(
        torch._fused_sgd_,
        parts,
        [zeros[: len(part)] for part in parts],
        split(u),
        lr=-1.0,
        weight_decay=0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


def _add_drift(a: Tensor, block: Block, u: Tensor, sums: MomentumSums) -> None:
    """Add what the velocity from before the block contributes, from its second update on.

    Parameters
    ----------
    a : Tensor, shape (S, updates · batch_size, outputs)
        Pre-activations.
    u : Tensor, shape (S, inputs, outputs)
        The velocity.
    """
    first = block.x.shape[1] // block.updates
    a[:, first:].addcmul_(bmm(block.x[:, first:], u), sums.drift[first:])


class MomentumSums:
    """The sums of powers of the momentum m that a block of K updates of B examples needs.

    Attributes
    ----------
    drift : Tensor, shape (K · B, 1)
        Σ m^s for s = 1, …, t at the examples of update t = 0, …, K − 1: the multiple of the
        velocity from before the block that has been added to the weights by then.
    total_drift : float
        The same after the block.
    influence : Tensor, shape (K · B, K · B)
        Σ m^s for s = 0, …, t − r − 1 at the examples of update t (rows) and r < t (columns): the
        multiple of the gradient of r in the weights at t.
    to_weights, to_velocity : Tensor, shape (K · B, 1)
        Σ m^s for s = 0, …, K − 1 − r, and m^(K − 1 − r), at the examples of update r: the
        multiples of its gradient in the weights and in the velocity after the block.
    velocity_factor : float
        m^K, the factor of the velocity from before the block in the velocity after it.
    """

    def __init__(
        self,
        momentum: float,
        updates: int,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        powers = torch.tensor(momentum, dtype=torch.float64) ** torch.arange(updates + 1)
        sums = powers.cumsum(0)
        step = torch.arange(updates)
        lag = step[:, None] - step

        def per_example(per_update: Tensor) -> Tensor:
            return per_update.repeat_interleave(batch_size, dim=0)[:, None].to(device, dtype)

        self.drift = per_example(sums[:-1] - 1)
        self.total_drift = float(sums[-1] - 1)
        influence = torch.where(lag > 0, sums[(lag - 1).clamp_min(0)], 0.0)
        self.influence = per_example(influence.repeat_interleave(batch_size, dim=1))[:, 0]
        self.to_weights = per_example(sums[:-1].flip(0))
        self.to_velocity = per_example(powers[:-1].flip(0))
        self.velocity_factor = float(powers[-1])


momentum_sums = cache(MomentumSums)
