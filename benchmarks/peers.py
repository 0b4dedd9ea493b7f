"""The contenders: different ways to train the networks of a case."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import torch
from torch import nn

from benchmarks.case import LEARNING_RATE, SEEDS, Case
from noisescale.data.dataset import Dataset
from noisescale.data.randomness import subset
from noisescale.models.registry import get_architecture
from noisescale.training.device_dataset import to_device
from noisescale.training.devices import on_stream
from noisescale.training.stack_training import StackTraining


class Contender(Protocol):
    """A training of all networks of a case, in progress."""

    name: str
    stacks: bool
    """Whether it trains several networks together."""
    warm_updates: int = 0
    """Updates before it reaches its full speed."""

    def __init__(self, case: Case, device: str) -> None: ...

    def prepare(self, updates: int) -> None:
        """Draw the minibatches of the next updates, unless drawing is part of what is timed."""

    def advance(self, updates: int) -> None:
        """Update every network, and wait until the updates are finished."""

    def weights(self) -> list[np.ndarray]:
        """Return the layers of the first network, with the bias in the last row."""


class Ours(Contender):
    """Our engine, as in a study: `noisescale.training.stack_training.StackTraining`."""

    name, stacks = "ours", True

    def __init__(self, case: Case, device: str) -> None:
        # On a GPU, the CUDA graph of a block length is captured at its second occurrence.
        self.warm_updates = 2000 if device == "cuda" else 0
        data = Dataset("random", *case.data, *case.data, case.sizes[-1], digest="")
        self.stream = torch.cuda.Stream() if device == "cuda" else None
        with on_stream(self.stream):
            self.training = StackTraining(
                to_device(data, device, get_architecture("mlp")), case.runs
            )

    def advance(self, updates: int) -> None:
        with on_stream(self.stream):
            self.training.advance(self.training.update + updates)
            self.training.drop_diverged()

    def weights(self) -> list[np.ndarray]:
        layers = [layer[0].cpu().numpy() for layer in self.training.model.layers]
        layers[0] = layers[0][: self.training.data.n_inputs + 1]
        return layers


def _module(case: Case, seed: int, device: str) -> nn.Sequential:
    modules: list[nn.Module] = []
    for layer in case.initial(seed):
        linear = nn.Linear(layer.shape[0] - 1, layer.shape[1])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer[:-1].T.copy()))
            linear.bias.copy_(torch.from_numpy(layer[-1]))
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1]).to(device)


def _layers(model: nn.Sequential) -> list[np.ndarray]:
    return [
        np.vstack([m.weight.detach().cpu().numpy().T, m.bias.detach().cpu().numpy()])
        for m in model
        if isinstance(m, nn.Linear)
    ]


def _members(case: Case, seed: int) -> np.ndarray:
    """Return the training set in the order in which our runs draw it."""
    return subset(seed, case.train_size, case.train_size)


class _Drawn(Contender):
    """A contender whose minibatch indices are drawn before the timing."""

    case: Case
    device: str

    def __init__(self, case: Case, device: str) -> None:
        self.case, self.device = case, device
        members = np.stack([_members(case, seed) for seed in range(SEEDS)])[case.seeds]
        self.members = torch.from_numpy(members).to(device)
        self.drawn, self.epoch = torch.empty(0, case.stack, case.batch_size), 0

    def prepare(self, updates: int) -> None:
        pieces, n = [self.drawn] if len(self.drawn) else [], len(self.drawn)
        while n < updates:
            order = self.case.orders(self.epoch, self.device)
            pieces.append(self.members.expand(len(order), -1, -1).gather(2, order))
            self.epoch, n = self.epoch + 1, n + len(order)
        self.drawn = torch.cat(pieces)

    def take(self, updates: int) -> torch.Tensor:
        """Return indices of the next minibatches, shape (updates, stack, batch_size)."""
        now, self.drawn = self.drawn[:updates], self.drawn[updates:]
        return now


class _Loop(_Drawn):
    """One network with torch's module, loss and optimizer; subclasses provide the minibatches."""

    stacks = False

    def __init__(self, case: Case, device: str) -> None:
        super().__init__(case, device)
        self.x, self.y = (torch.from_numpy(array).to(device) for array in case.data)
        self.model = _module(case, 0, device)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=LEARNING_RATE, momentum=case.momentum
        )

    def minibatches(self, updates: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        raise NotImplementedError

    def advance(self, updates: int) -> None:
        for x, y in self.minibatches(updates):
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()
            self.optimizer.step()
        if self.device == "cuda":
            torch.cuda.synchronize()

    def weights(self) -> list[np.ndarray]:
        return _layers(self.model)


class Usual(_Loop):
    """The loop of PyTorch's tutorials: a DataLoader over a TensorDataset."""

    name = "usual loop"

    def __init__(self, case: Case, device: str) -> None:
        super().__init__(case, device)
        self.batches = self._batches(torch.utils.data.TensorDataset(self.x.cpu(), self.y.cpu()))

    def _batches(self, dataset: torch.utils.data.Dataset) -> Iterator[list[torch.Tensor]]:
        members = self.members[0].cpu()
        for epoch in itertools.count():
            order = members[self.case.orders(epoch)[:, 0].flatten()].tolist()
            yield from torch.utils.data.DataLoader(dataset, self.case.batch_size, sampler=order)

    def prepare(self, updates: int) -> None:
        """Do nothing, because the DataLoader draws the minibatches."""

    def minibatches(self, updates: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        for x, y in itertools.islice(self.batches, updates):
            yield x.to(self.device), y.to(self.device)


class Indexed(_Loop):
    """A faster loop: data on the device, minibatches by index."""

    name = "indexed loop"

    def minibatches(self, updates: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        for index in self.take(updates)[:, 0]:
            yield self.x[index], self.y[index]


class Functional(_Drawn):
    """torch.func: gradients of a stack of modules by vmap of grad; updates in place."""

    name, stacks = "torch.func", True

    def __init__(self, case: Case, device: str) -> None:
        super().__init__(case, device)
        self.x, self.y = (torch.from_numpy(array).to(device) for array in case.data)
        modules = [_module(case, seed, device) for seed in range(SEEDS)]
        parameters, self.buffers = torch.func.stack_module_state(modules)
        self.parameters = {name: value.detach()[case.seeds] for name, value in parameters.items()}
        self.velocity = {name: torch.zeros_like(v) for name, v in self.parameters.items()}
        self.module = modules[0]

        def loss(parameters, buffers, x, y):
            logits = torch.func.functional_call(self.module, (parameters, buffers), (x,))
            return nn.functional.cross_entropy(logits, y)

        self.gradient = torch.func.vmap(torch.func.grad(loss))

    def advance(self, updates: int) -> None:
        for index in self.take(updates):
            gradients = self.gradient(self.parameters, self.buffers, self.x[index], self.y[index])
            for name, gradient in gradients.items():
                step = gradient
                if self.case.momentum:
                    step = self.velocity[name].mul_(self.case.momentum).add_(gradient)
                self.parameters[name].add_(step, alpha=-LEARNING_RATE)
        if self.device == "cuda":
            torch.cuda.synchronize()

    def weights(self) -> list[np.ndarray]:
        values = {name: value[0].cpu().numpy() for name, value in self.parameters.items()}
        return [
            np.vstack([values[f"{i}.weight"].T, values[f"{i}.bias"]])
            for i in range(0, 2 * len(self.case.sizes) - 2, 2)
        ]


class Jax(_Drawn):
    """JAX: vmap over networks, lax.scan over the updates of an epoch, one jitted program."""

    name, stacks = "jax scan", True

    def __init__(self, case: Case, device: str) -> None:
        import jax
        import jax.numpy as jnp

        # float32 as in the others; on a GPU, JAX uses lower precision by default.
        jax.config.update("jax_default_matmul_precision", "highest")
        super().__init__(case, device)
        x, y = jnp.asarray(case.data[0]), jnp.asarray(case.data[1])
        initial = zip(*(case.initial(seed) for seed in range(SEEDS)), strict=True)
        self.w = [jnp.stack(layer)[jnp.asarray(case.seeds)] for layer in initial]
        self.v = [jnp.zeros_like(layer) for layer in self.w]

        def loss(layers, x, y):
            for i, layer in enumerate(layers):
                x = (jax.nn.relu(x) if i else x) @ layer[:-1] + layer[-1]
            chosen = jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1)
            return -chosen.mean()

        def update(state, index):
            w, v = state
            g = jax.vmap(jax.grad(loss))(w, x[index], y[index])
            if case.momentum:
                v = [case.momentum * a + b for a, b in zip(v, g, strict=True)]
            step = v if case.momentum else g
            w = [a - LEARNING_RATE * b for a, b in zip(w, step, strict=True)]
            return (w, v), None

        def scan(w, v, index):
            (w, v), _ = jax.lax.scan(update, (w, v), index)
            return w, v

        self.scan = jax.jit(scan, donate_argnums=(0, 1))

    def prepare(self, updates: int) -> None:
        import jax
        import jax.numpy as jnp

        # One program for all updates, across epochs: JAX compiles one for each length.
        super().prepare(updates)
        self.index = jax.block_until_ready(jnp.asarray(self.take(updates).cpu().numpy()))

    def advance(self, updates: int) -> None:
        import jax

        self.w, self.v = self.scan(self.w, self.v, self.index)
        jax.block_until_ready(self.w)

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(layer[0]) for layer in self.w]


CONTENDERS: list[type[Contender]] = [Ours, Usual, Indexed, Functional, Jax]


def available(names: list[str] | None = None) -> tuple[list[type[Contender]], list[str]]:
    """Return the contenders that can run here, and a message for each that cannot."""
    chosen = [c for c in CONTENDERS if names is None or c.name.split()[0] in names]
    if Jax in chosen and find_spec("jax") is None:
        chosen.remove(Jax)
        return chosen, ["jax scan: JAX is not installed; pip install -e '.[benchmark]'"]
    return chosen, []


def reference(case: Case, updates: int) -> list[np.ndarray]:
    """Return the first network's layers after ``updates`` updates, computed in float64 NumPy."""
    members = _members(case, 0)
    x, y = case.data[0][members].astype(np.float64), case.data[1][members]
    w = [layer.astype(np.float64) for layer in case.initial(0)]
    v = [np.zeros_like(layer) for layer in w]
    per_epoch = case.train_size // case.batch_size
    for update in range(updates):
        index = case.orders(update // per_epoch)[update % per_epoch, 0].numpy()
        inputs = [x[index]]
        for layer in w[:-1]:
            inputs.append(np.maximum(inputs[-1] @ layer[:-1] + layer[-1], 0))
        logits = inputs[-1] @ w[-1][:-1] + w[-1][-1]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        delta = p / p.sum(axis=1, keepdims=True)
        delta[np.arange(len(index)), y[index]] -= 1
        delta /= len(index)
        for i in reversed(range(len(w))):
            gradient = np.vstack([inputs[i].T @ delta, delta.sum(axis=0)])
            delta = (delta @ w[i][:-1].T) * (inputs[i] > 0)
            v[i] = case.momentum * v[i] + gradient
            w[i] = w[i] - LEARNING_RATE * v[i]
    return w
