"""The first layer of a stack: the one whose inputs are known beforehand.

Its inputs are the examples themselves, so what B examples of K updates to come make of its present
weights is one product, and what the updates in between change is a sum of outer products, added
when its turn comes (a *block* of updates). And its weights are their initial values plus a
combination of the training examples, which can be trained in the place of the weights (*dual*).
Both are the same gradient descent, in exact arithmetic.

With u = −ε v for the velocity v, an update of the weights w on examples X, whose pre-activations
have the scaled gradient d = −ε ∂L/∂(X w), is::

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
"""Weights that stay in a core's cache, with as many velocities, from one operation to the next."""


class Primal:
    """Weights and velocity themselves.

    Parameters
    ----------
    weights : Tensor, shape (S, inputs, outputs)
        Initial weights of S networks. Taken over, not copied.
    momentum
        In [0, 1).
    decay : Tensor, shape (S,), or None
        Learning rate times weight decay. With it a block is one update.
    """

    def __init__(self, weights: Tensor, momentum: float, decay: Tensor | None = None) -> None:
        self.w = weights
        self.u = torch.zeros_like(weights) if momentum else None
        self.momentum = momentum
        self.decay = decay
        self._bind()

    @property
    def weights(self) -> Tensor:
        """The present weights, shape (S, inputs, outputs)."""
        return self.w

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that change, each of shape (S, …)."""
        return {"w": self.w} | ({} if self.u is None else {"u": self.u})

    def select(self, mask: Tensor) -> None:
        """Keep the networks where `mask` (Tensor of bool, shape (S,)) is true."""
        self.w = self.w[mask]
        self.u = None if self.u is None else self.u[mask]
        self.decay = None if self.decay is None else self.decay[mask]
        self._bind()

    def _bind(self) -> None:
        """Cut large weights and velocities into parts that stay in a core's cache for an update.

        By networks: each then has the same products, alone and in a stack. Without momentum the
        weights stand in the place of the velocity.
        """
        everything = slice(None)
        self._parts = [(everything, everything, self.w, self.w if self.u is None else self.u)]
        if self.u is not None and self.w.is_cpu and len(rows := _cut(self.w)) > 1:
            runs = [slice(i, i + 1) for i in range(len(self.w))]
            self._parts = [
                (run, part, self.w[run, part], self.u[run, part]) for run in runs for part in rows
            ]

    def outputs(self, block: Block) -> Tensor:
        """Return the block's pre-activations but for what its own updates change.

        Returns
        -------
        Tensor, shape (S, updates · batch_size, outputs)
        """
        a = bmm(block.x, self.w)
        if self.u is not None and block.updates > 1:
            _add_drift(a, block, self.u, self._sums(block))
        return a

    def products(self, block: Block) -> Tensor:
        """Return how much each example's gradient changes a later example's pre-activation.

        Returns
        -------
        Tensor, shape (S, n, n) with n = updates · batch_size
            [s, i, j] is not zero where the update of example j precedes that of i.
        """
        return bmm(block.x, block.x.mT).mul_(self._sums(block).later)

    def update(self, block: Block, d: Tensor) -> None:
        """Make the updates of a block.

        Parameters
        ----------
        block
            The examples.
        d : Tensor, shape (S, updates · batch_size, outputs)
            Their scaled gradients.
        """
        if self.momentum and block.updates > 1:
            sums = self._sums(block)
            total, left = d * sums.total, d * sums.left
        x = block.x.mT
        for run, rows, w, u in self._parts:
            xt = x[run, rows]
            if self.momentum and block.updates > 1:
                w.add_(u, alpha=sums.drift_all)
                accumulate(w, xt, total[run])
                accumulate(u, xt, left[run], sums.decayed)
                continue
            decayed = None if self.decay is None else w * self.decay[run, None, None]
            accumulate(u, xt, d[run], self.momentum or 1)
            if decayed is not None:
                u.sub_(decayed)
            if self.momentum:
                w.add_(u)

    def _sums(self, block: Block) -> MomentumSums:
        batch_size = block.x.shape[1] // block.updates
        return momentum_sums(self.momentum, block.updates, batch_size, self.w.dtype, self.w.device)


class Dual:
    """The combination of training examples that has been added to the initial weights.

    For training examples X, the weights are w = w₀ + Xᵀ c. An update on examples b of them takes
    one product with their rows of X Xᵀ, where the weights themselves take two, with X and Xᵀ::

        X_b w = X_b w₀ + (X Xᵀ)_b c,   u ← m u,   u_b ← u_b + d,   c ← c + u

    It pays while the training set is smaller than twice the number of inputs.

    Parameters
    ----------
    weights : Tensor, shape (S, inputs, outputs)
        Initial weights of S networks. Taken over, not copied.
    momentum
        In [0, 1).
    x : Tensor, shape (n_sets, train_size, inputs)
        The training sets. A block's `x` are rows of their Gram matrices.
    set_row : Tensor of int64, shape (S,)
        Each network's row in `x`.
    """

    def __init__(self, weights: Tensor, momentum: float, x: Tensor, set_row: Tensor) -> None:
        self.initial = weights
        self.x = x
        self.set_row = set_row
        self.momentum = momentum
        self.at_start = torch.stack(
            [torch.mm(x[row], w) for row, w in zip(set_row.tolist(), weights, strict=True)]
        )
        self.c = torch.zeros_like(self.at_start)
        self.u = torch.zeros_like(self.c) if momentum else None
        self._bind()

    @property
    def weights(self) -> Tensor:
        """The present weights, shape (S, inputs, outputs)."""
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
        self.at_start, self.c = self.at_start[mask], self.c[mask]
        self.u = None if self.u is None else self.u[mask]
        self._bind()

    def _bind(self) -> None:
        """Find where each network's training set begins among the rows of all."""
        stack, train_size = self.c.shape[:2]
        rows = torch.arange(stack * train_size, device=self.c.device)
        self._start = rows.view(stack, train_size)[:, :1]
        large = self.c.is_cpu and stack and train_size * self.c.shape[2] >= _CACHED
        self._fade = _fading(self.c, self.u) if large and self.u is not None else None

    def outputs(self, block: Block) -> Tensor:
        """Return the block's pre-activations, see `Primal.outputs`."""
        if block.whole:
            return baddbmm(self.at_start, block.x, self.c)
        a = self.at_start.flatten(0, 1).index_select(0, self._rows(block))
        a = a.unflatten(0, block.positions.shape)
        accumulate(a, block.x, self.c)
        if self.u is not None and block.updates > 1:
            _add_drift(a, block, self.u, self._sums(block))
        return a

    def products(self, block: Block) -> Tensor:
        """Return how later pre-activations depend on gradients, see `Primal.products`."""
        columns = block.positions[:, None, :].expand(-1, block.x.shape[1], -1)
        return block.x.gather(2, columns).mul_(self._sums(block).later)

    def update(self, block: Block, d: Tensor) -> None:
        """Make the updates of a block, see `Primal.update`."""
        if self.u is None:
            self._add(self.c, block, d)
        elif block.whole:
            torch.add(d, self.u, alpha=self.momentum, out=self.u)
            self.c.add_(self.u)
        elif block.updates == 1 and self._fade is not None:
            self._fade(momentum=self.momentum)
            self._add(self.u, block, d)
            self._add(self.c, block, d)
        elif block.updates == 1:
            self.u.mul_(self.momentum)
            self._add(self.u, block, d)
            self.c.add_(self.u)
        else:
            sums = self._sums(block)
            self.c.add_(self.u, alpha=sums.drift_all)
            self._add(self.c, block, d * sums.total)
            self.u.mul_(sums.decayed)
            self._add(self.u, block, d * sums.left)

    def _add(self, to: Tensor, block: Block, d: Tensor) -> None:
        """Add the examples' rows to those of the training set. No example is there twice."""
        if block.whole:
            to.add_(d)
        else:
            to.flatten(0, 1).index_add_(0, self._rows(block), d.flatten(0, 1))

    def _rows(self, block: Block) -> Tensor:
        return (block.positions + self._start).flatten()

    def _sums(self, block: Block) -> MomentumSums:
        batch_size = block.x.shape[1] // block.updates
        return momentum_sums(self.momentum, block.updates, batch_size, self.c.dtype, self.c.device)


def _cut(weights: Tensor) -> list[slice]:
    """Return which rows of a network's weights to update at a time."""
    _, inputs, outputs = weights.shape
    n = min(math.ceil(inputs * outputs / _CACHED), inputs)
    cuts = [i * inputs // n for i in range(n + 1)]
    return [slice(*ends) for ends in itertools.pairwise(cuts)]


def _fading(c: Tensor, u: Tensor) -> Callable[..., None]:
    """Return a function that makes u ← m u, c ← c + u in one pass over both, on a CPU.

    It is torch's fused optimizer without a gradient: zeros that stay in a core's cache.
    """

    def cut(x: Tensor) -> list[Tensor]:
        # By networks: how a vector's end is rounded does not depend on what else is in the stack.
        return [part for one in x for part in one.view(-1).split(_CACHED)]

    zeros = c.new_zeros(_CACHED)
    parts = cut(c)
    return partial(
        torch._fused_sgd_,
        parts,
        [zeros[: len(part)] for part in parts],
        cut(u),
        lr=-1.0,
        weight_decay=0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


def _add_drift(a: Tensor, block: Block, u: Tensor, sums: MomentumSums) -> None:
    """Add what the velocity from before a block does in it, which is nothing to its first update.

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
        Σ m^s for s = 1, …, t at the examples of update t = 0, …, K − 1: how often the velocity
        from before the block has been added until then.
    drift_all : float
        The same after the block.
    later : Tensor, shape (K · B, K · B)
        Σ m^s for s = 0, …, t − r − 1 at the examples of update t (rows) and r < t (columns).
    total, left : Tensor, shape (K · B, 1)
        Σ m^s for s = 0, …, K − 1 − r, and m^(K − 1 − r), at the examples of update r.
    decayed : float
        m^K.
    """

    def __init__(
        self, momentum: float, updates: int, batch_size: int, dtype: torch.dtype, device: str
    ) -> None:
        powers = torch.tensor(momentum, dtype=torch.float64) ** torch.arange(updates + 1)
        sums = powers.cumsum(0)
        step = torch.arange(updates)
        lag = step[:, None] - step

        def spread(per_update: Tensor) -> Tensor:
            return per_update.repeat_interleave(batch_size, dim=0)[:, None].to(device, dtype)

        self.drift = spread(sums[:-1] - 1)
        self.drift_all = float(sums[-1] - 1)
        later = torch.where(lag > 0, sums[(lag - 1).clamp_min(0)], 0.0)
        self.later = spread(later.repeat_interleave(batch_size, dim=1))[:, 0]
        self.total = spread(sums[:-1].flip(0))
        self.left = spread(powers[:-1].flip(0))
        self.decayed = float(powers[-1])


momentum_sums = cache(MomentumSums)
