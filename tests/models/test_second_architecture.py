"""An architecture other than the perceptron is trained once it is registered."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers.trained import run

from noisescale.cost.estimate import shard_mb
from noisescale.data.dataset import Dataset, dataset_shape
from noisescale.data.randomness import noisy_labels, subset
from noisescale.models import registry
from noisescale.models.work import Work
from noisescale.training.learning_curve import runs_table
from noisescale.training.runs import train
from noisescale.training.shuffling import permutations


class SoftmaxRegression:
    """An `Architecture` without hidden layers, by torch.func."""

    def stack_key(self, run):
        return run.momentum, run.weight_decay

    def prepare_inputs(self, x, device):
        return torch.from_numpy(x).to(device)

    def build(self, runs, sets):
        return SoftmaxStack(runs, sets)

    def update_work(self, run, shape, stack, device):
        return Work(10 / stack, 2, run.batch_size, 4 * shape.n_inputs * shape.n_classes, 0)

    def evaluation_work(self, run, shape):
        return Work(10, 1, run.train_size + shape.n_test, 0, 0)

    def run_bytes(self, run, shape, device):
        return 8 * shape.n_inputs * shape.n_classes

    def shared_bytes(self, runs, shape):
        return 0


class SoftmaxStack:
    """The `StackedModel` of `SoftmaxRegression`: gradients by vmap of grad."""

    block_updates = 1

    def __init__(self, runs, sets):
        self.pool, self.pool_rows, self.widest = sets.x, sets.members, sets.n_classes
        self.w = torch.zeros(len(runs), sets.n_inputs, sets.n_classes)
        self.v = torch.zeros_like(self.w)
        self.rates = torch.tensor([run.learning_rate for run in runs])[:, None, None]
        self.momentum, self.decay = runs[0].momentum, runs[0].weight_decay

        def loss(w, x, targets):
            return torch.nn.functional.cross_entropy(x @ w, targets)

        self.gradient = torch.func.vmap(torch.func.grad(loss))

    def __len__(self):
        return len(self.w)

    def advance(self, block, finite_signal):
        gradient = self.gradient(self.w, block.x, block.targets) + self.decay * self.w
        self.v.mul_(self.momentum).add_(gradient)
        self.w.sub_(self.rates * self.v)
        torch.sum(self.w, (1, 2), out=finite_signal[0])

    def predictor(self):
        return lambda x: x @ self.w

    def select(self, mask):
        self.w, self.v, self.rates = self.w[mask], self.v[mask], self.rates[mask]

    def state(self):
        return {"w": self.w, "v": self.v}


@pytest.fixture
def softmax(monkeypatch):
    """Register the architecture, and have runs whose label is ``none`` use it."""
    monkeypatch.setattr(registry, "_ARCHITECTURES", dict(registry._ARCHITECTURES))
    registry.register("softmax", SoftmaxRegression())
    monkeypatch.setattr(
        registry, "architecture_name", lambda run: "softmax" if run.hidden == "none" else "mlp"
    )


@pytest.fixture(scope="module")
def dataset():
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(3, 6))
    y, y_test = draw.integers(3, size=200), draw.integers(3, size=300)
    x, x_test = (
        (centres[labels] + draw.normal(size=(len(labels), 6))).astype(np.float32)
        for labels in (y, y_test)
    )
    return Dataset("clouds", x, y, x_test, y_test, 3, digest="")


def sgd(dataset, run):
    """Return the final cross-entropies of a run by torch.optim.SGD."""
    members = subset(run.seed, len(dataset.X_train), run.train_size)
    labels = noisy_labels(run.seed, dataset.y_train, run.label_noise, dataset.n_classes)
    x, y = (torch.from_numpy(array[members]) for array in (dataset.X_train, labels))
    w = torch.zeros(x.shape[1], dataset.n_classes, requires_grad=True)
    optimizer = torch.optim.SGD([w], run.learning_rate, run.momentum, weight_decay=run.weight_decay)
    updates_per_epoch = run.train_size // run.batch_size
    for update in range(run.updates):
        epoch, batch = divmod(update, updates_per_epoch)
        order = permutations(torch.tensor([run.seed]), epoch, run.train_size)[0]
        chosen = order[run.batch_size * batch : run.batch_size * (batch + 1)]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(x[chosen] @ w, y[chosen]).backward()
        optimizer.step()
    x_test, y_test = torch.from_numpy(dataset.X_test), torch.from_numpy(dataset.y_test)
    with torch.no_grad():
        return [
            torch.nn.functional.cross_entropy(a @ w, b).item()
            for a, b in ((x, y), (x_test, y_test))
        ]


def test_a_registered_architecture_is_trained_as_torch_optim_sgd_trains_it(softmax, dataset):
    """In stacks, with label noise, next to runs that diverge and to runs of perceptrons."""
    linear = run(hidden="none", weight_decay=0.01, label_noise=0.2, updates=90)
    runs = [
        dataclasses.replace(linear, seed=seed, learning_rate=rate, batch_size=batch_size)
        for seed in (0, 1)
        for rate in (0.01, 0.1, 1e20)
        for batch_size in (1, 15, 60)
    ]
    perceptron = run()
    curves = train([*runs, perceptron], dataset, device="cpu")
    assert [curve.run for curve in curves] == [*runs, perceptron]
    for curve in curves[:-1]:
        if curve.run.learning_rate == 1e20:
            assert curve.diverged_at is not None
            continue
        last = curve.evaluations[-1]
        assert last.update == 90
        found = [last.train_cross_entropy, last.test_cross_entropy]
        assert found == pytest.approx(sgd(dataset, curve.run), rel=1e-4)
    table = runs_table(curves, dataset.name).to_pandas()
    assert set(table["hidden"]) == {"none", "20"}
    (alone,) = train([perceptron], dataset, device="cpu")
    assert alone.evaluations == curves[-1].evaluations


def test_costs_of_a_registered_architecture_are_its_own(softmax, dataset):
    shape = dataset_shape(dataset)
    assert shard_mb([run(hidden="none"), run()], shape, gpu=False) >= 1000
    assert registry.stack_key(run(hidden="none")) != registry.stack_key(run())


def test_names_of_architectures_are_unique_and_known():
    with pytest.raises(ValueError, match="architecture 'mlp' is registered already"):
        registry.register("mlp", SoftmaxRegression())
    with pytest.raises(ValueError, match="architecture 'lenet'; expected one of mlp"):
        registry.get_architecture("lenet")
